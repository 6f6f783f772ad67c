"""Show in a table what is in the folder of a benchmark data set, and what is wrong with it.

python tools/dataset_converters/check.py NAME ROOT

All images and labels are read once. The last line says that the data is ready or what to fix;
the exit status is 0 or 1.
"""

import argparse
import sys
from pathlib import Path

from mmosr.utils import cli


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    parser.add_argument("name", metavar="NAME", help="a file of configs/_base_/benchmarks")
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder of the data set")
    parser.add_argument(
        "--checksums", action="store_true", help="compare all files with manifest.json"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="another file with benchmark = dict(dataset=dict(...)); NAME is then only a title",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from mmosr.preparation import check_data_set, show

    report = check_data_set(args.name, args.root, args.config, args.checksums)
    show(report)
    if report.problems:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
