"""Jacobian norms, clusters and distances in the representation of a classifier.

python tools/analysis_tools/representation.py CONFIG CHECKPOINT --out-dir DIR

Takes a class-balanced sample of the test data, half known and half unknown, and writes tables
(CSV), plots (PNG) and a record with every figure and its definition (representation.json). The
figures are those of m-OvR, section IV, and of CAC, table 2: see docs/analysis.md.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from representation_run.settings import CENTRES, PARTS, Settings

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names

# As in mmosr.analysis, which takes seconds to import.
SPACES = ("embedding", "features", "unit-features", "logits")
UNITS = ("network", "pixel")


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_config_argument(parser, " of an image classifier")
    cli.add_checkpoint_argument(parser)
    parser.add_argument("--out-dir", required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--data-part", choices=PARTS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--max-images", type=int, default=1000, help="known and unknown; default: %(default)s"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--exact", action="store_true", help="exact norms: one pass per value of f")
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
    cli.add_device_argument(parser)
    parser.add_argument("--resume", action="store_true", help="keep the norms measured so far")
    cli.add_config_options(parser)
    cli.add_trust_argument(parser)
    return parser.parse_args(present_names({"--out": "--out-dir"}))


def main() -> None:
    args = parse_args()
    args.space, args.probes = args.embedding, None if args.exact else args.probes
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    settings.check()
    from representation_run.report import print_record, write_report
    from representation_run.run import RECORD, measure

    from mmosr.apis import load

    files, more = (args.config, args.checkpoint), (args.cfg_options, args.trust_checkpoint)
    # With any score a host's own classifier can be analysed.
    loaded = load(*files, "msp", args.device, *more, launcher="none")
    out = Path(args.out_dir).expanduser()
    measured, run = measure(loaded, out, settings, args.resume)
    title = f"{Path(args.config).stem}, {args.data_part} data"
    record = write_report(measured, run, settings, title, out)
    print_record(record, out / RECORD)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
