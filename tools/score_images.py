"""Anomaly scores of images with a classifier.

python tools/score_images.py CONFIG CHECKPOINT INPUT --out scores.csv

For each image the CSV file has the predicted known class, its probability and every score; a
larger score means more unknown. With --reject-threshold, or reject_threshold in the model's config,
the column 'unknown' says whether the first score is above it.
"""

import argparse
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmosr.apis import (
    ImageInferencer,
    ScoreTable,
    describe_run,
    find_images,
    init_model,
    load_config,
    score_images,
)
from mmosr.utils import InputError
from mmosr.utils.cli import (
    add_checkpoint_argument,
    add_config_options,
    add_trust_argument,
    run_tool,
)
from mmosr.utils.threads import use_free_processors

SHOWN = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    add_checkpoint_argument(parser)
    parser.add_argument("input", help="image, folder, glob pattern, or .txt list of images")
    parser.add_argument("--out", default="outputs/scores.csv", help="default: %(default)s")
    parser.add_argument(
        "--score", nargs="+", metavar="NAME", help="anomaly scores; default: the config's"
    )
    parser.add_argument(
        "--reject-threshold", type=float, help="first score above which an image is unknown"
    )
    parser.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    add_config_options(parser)
    add_trust_argument(parser)
    return parser.parse_args()


def report(table: ScoreTable, score: str, total: int, out: Path) -> None:
    for source, reason in table.failed.items():
        print(f"failed: {reason if source in reason else f'{source}: {reason}'}", file=sys.stderr)
    ranked = sorted(table.rows, key=lambda row: -row[score])
    shown = Table(title=f"by {score}, most unknown first", box=box.SIMPLE_HEAD, show_edge=False)
    names = [name for name in (ranked[0] if ranked else ()) if name != "image"]
    shown.add_column("image", overflow="fold")
    for name in names:
        shown.add_column(name)
    head, tail = ranked[:SHOWN], ranked[SHOWN:][-SHOWN:]
    for row in head:
        shown.add_row(*_cells(row, names))
    if len(ranked) > len(head) + len(tail):
        shown.add_section()
    for row in tail:
        shown.add_row(*_cells(row, names))
    if ranked:
        Console().print(shown)
    if any("unknown" in row for row in ranked):
        print(f"{sum(row['unknown'] for row in ranked)} of {len(ranked)} images are unknown")
    print(f"{len(ranked)} of {total} images scored: {out}")
    if table.failed:
        raise InputError(f"{len(table.failed)} of {total} images failed, see above")


def _cells(row: dict, names: list[str]) -> list[str]:
    values = [row[name] for name in names]
    return [
        escape(row["image"]),
        *(f"{value:.5g}" if isinstance(value, float) else escape(str(value)) for value in values),
    ]


def main() -> None:
    args = parse_args()
    out = Path(args.out).expanduser()
    items = find_images(args.input, out)
    config = load_config(args.config, args.cfg_options)
    model = init_model(
        config, args.checkpoint, args.device, score=args.score, trust=args.trust_checkpoint
    )
    inferencer = ImageInferencer(model)
    use_free_processors(measure_load=False)  # a resumed run shall give the same digits
    if args.reject_threshold is not None:
        model.reject_threshold = model.cfg.model.reject_threshold = args.reject_threshold
    run = describe_run(model.cfg, args.checkpoint, " ".join(model.score_names), args.input)
    table = score_images(inferencer, items, out, run, args.batch_size, args.resume)
    report(table, model.score_names[0], len(items), out)


if __name__ == "__main__":
    sys.exit(run_tool(main))
