"""Jacobian norms, clusters and distances in the representation of a classifier.

python tools/analysis_tools/representation.py CONFIG CHECKPOINT --out DIR

Takes a class-balanced draw of the test data, half known and half unknown, and writes tables (CSV),
plots (PNG) and a record with every figure and its definition (representation.json). The figures are
those of m-OvR, section IV, and of CAC, table 2: see docs/analysis.md.
"""

import argparse
import sys
from pathlib import Path

import mmosr  # noqa: F401  before torch: it says how threads wait

# isort: split
from mmengine.registry import init_default_scope
from mmpretrain.models.classifiers import ImageClassifier
from rich import box
from rich.console import Console
from rich.table import Table

from mmosr.analysis import CENTRES, SPACES, UNITS, NormSettings, Settings, measure, write_report
from mmosr.analysis.images import PARTS
from mmosr.analysis.representation import RECORD
from mmosr.apis import init_model
from mmosr.classification import OpenSetImageClassifier
from mmosr.config.loading import fit_to_machine, load_config
from mmosr.utils import InputError
from mmosr.utils.cli import (
    add_checkpoint_argument,
    add_config_options,
    add_trust_argument,
    run_tool,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file of an image classifier")
    add_checkpoint_argument(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--data-part", choices=PARTS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--max-images", type=int, default=1000, help="known and unknown; default: %(default)s"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--exact", action="store_true", help="exact norms: a pass for each value of f")
    how.add_argument(
        "--probes", type=int, default=32, help="estimate by random projections; default: 32"
    )
    parser.add_argument(
        "--embedding", choices=SPACES, default="embedding", help="f; default: %(default)s"
    )
    parser.add_argument(
        "--units", choices=UNITS, default="network", help="of the input x; default: %(default)s"
    )
    parser.add_argument(
        "--interpolations", type=int, default=100, metavar="N", help="pairs; default: %(default)s"
    )
    parser.add_argument("--steps", type=int, default=11, help="of a pair; default: %(default)s")
    parser.add_argument(
        "--centres", choices=CENTRES, default="auto", help="data of the class centres"
    )
    parser.add_argument("--centre-images", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    parser.add_argument("--resume", action="store_true", help="keep the norms measured before")
    add_config_options(parser)
    add_trust_argument(parser)
    return parser.parse_args()


def read_settings(args: argparse.Namespace) -> Settings:
    norm = NormSettings(
        space=args.embedding,
        units=args.units,
        probes=None if args.exact else args.probes,
        seed=args.seed,
        batch_size=args.batch_size,
    )
    return Settings(
        norm=norm,
        data_part=args.data_part,
        max_images=args.max_images,
        interpolations=args.interpolations,
        steps=args.steps,
        centres=args.centres,
        centre_images=args.centre_images,
    )


def build_model(cfg, args: argparse.Namespace) -> OpenSetImageClassifier:
    """The model of the config; mmpretrain's own classifier becomes the open-set one."""
    plain = str(cfg.model.type).rpartition(".")[2] == ImageClassifier.__name__
    model = init_model(
        cfg,
        args.checkpoint,
        args.device,
        score="msp" if plain else None,
        trust=args.trust_checkpoint,
    )
    if not isinstance(model, OpenSetImageClassifier):
        raise InputError(
            f"model type '{type(model).__name__}' is no image classifier of one label: the "
            "analysis needs an ImageClassifier or mmosr.OpenSetImageClassifier"
        )
    return model


def report(record: dict, out: Path) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("figure", "value", "standard error"):
        table.add_column(name)
    for name, figure in record["figures"].items():
        cells = (figure["value"], figure.get("standard_error"))
        table.add_row(name, *("" if cell is None else f"{cell:.4g}" for cell in cells))
    Console().print(table)
    images, norm = record["images"], record["jacobian"]
    print(f"{images['known']} known and {images['unknown']} unknown images; f: {norm['f']}")
    print(f"norms: {norm['method']}; x: {norm['x']}")
    print(f"distances: {record['distances']}")
    print(f"written: {out / RECORD}")


def main() -> None:
    args = parse_args()
    settings = read_settings(args)
    settings.check()
    out = Path(args.out).expanduser()
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: give a folder")
    cfg = load_config(args.config, args.cfg_options)
    if cfg.get("model") is None:
        raise InputError(f"config {args.config} has no 'model'")
    fit_to_machine(cfg)
    init_default_scope(cfg.get("default_scope") or "mmseg")
    model = build_model(cfg, args)
    measured, run = measure(model, cfg, args.checkpoint, out, settings, args.resume)
    title = f"{Path(args.config).stem}, {args.data_part} data"
    report(write_report(measured, run, settings, title, out), out)


if __name__ == "__main__":
    sys.exit(run_tool(main))
