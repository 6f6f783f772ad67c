"""Prepare a public download as the folder that a benchmark data set reads.

python tools/dataset_converters/prepare.py NAME SRC DST

Files are linked, or copied with --copy, and converted where needed; manifest.json holds their
checksums. The download is never changed. A run that was stopped continues when it is started again.
docs/data.md says for each data set where to get it and what its download looks like.
"""

import argparse
import signal
import sys
from pathlib import Path

from mmosr.utils import cli

# The keys of mmosr.preparation.RECIPES, so that the help need not import it.
NAMES = (
    "fishyscapes_lost_and_found",
    "fishyscapes_static",
    "road_anomaly",
    "road_anomaly_21",
    "road_obstacle_21",
    "lost_and_found",
    "street_hazards",
    "bdd_anomaly",
    "camvid",
)


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("source", metavar="SRC", type=Path, help="folder of the download")
    parser.add_argument("folder", metavar="DST", type=Path, help="folder to make")
    parser.add_argument(
        "--copy", action="store_true", help="copy the files instead of linking them"
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="images that belong to the labels of Fishyscapes: the folder of Lost and Found or of "
        "Cityscapes, which holds leftImg8bit",
    )
    parser.add_argument(
        "--version", type=int, choices=(1, 2, 3), help="of fishyscapes_static: that of SRC"
    )
    parser.add_argument(
        "--unknown-ids",
        metavar="ID",
        type=int,
        nargs="+",
        help="of bdd_anomaly: train ids of the unknown classes; default: 16 17 18",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from mmosr.preparation import Request, check_data_set, make_plan, show, write_plan

    request = Request(
        source=args.source,
        folder=args.folder,
        images=args.images,
        version=args.version,
        unknown_ids=tuple(args.unknown_ids) if args.unknown_ids else None,
        copy=args.copy,
    )
    plan = make_plan(args.name, request)
    try:
        summary = write_plan(plan, request.folder)
    except KeyboardInterrupt:
        print("stopped: run the same command again to continue", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    print(f"{request.folder}: {summary}")
    report = check_data_set(args.name, request.folder, options=plan.dataset)
    show(report)
    if report.problems:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
