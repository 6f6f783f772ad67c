"""Test a model on open-set data sets: one pass over the images, all scores, all figures, a report.

python tools/benchmark.py CONFIG CHECKPOINT --datasets road_anomaly demo --scores msp energy

It works on the checkpoint of any mmseg config. What is done is kept image by image; a run that was
stopped goes on with --resume and gives the same numbers. On several GPUs:

bash tools/dist_benchmark.sh CONFIG CHECKPOINT 8 --datasets road_anomaly demo --scores msp energy
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from mmosr.benchmark.pixels import run_benchmark
from mmosr.benchmark.pixels.terminal import print_tables
from mmosr.config.loading import load_config, set_work_dir
from mmosr.utils.cli import add_checkpoint_argument, add_common_arguments, run_tool

LOG_WIDTH = 160  # of the tables in a log, which has no width of its own


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    add_checkpoint_argument(parser)
    parser.add_argument(
        "--datasets",
        nargs="+",
        metavar="NAME_OR_FILE",
        default=["test"],
        help="names of files in configs/_base_/benchmarks, files of that kind, or test: the test "
        "data of the config; default: test",
    )
    parser.add_argument(
        "--scores", nargs="+", metavar="NAME", help="anomaly scores, instead of the config's own"
    )
    parser.add_argument("--out", metavar="DIR", help="results; default: WORK_DIR/benchmark")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument(
        "--keep-maps", action="store_true", help="keep all score maps, in DIR/NAME/maps/*.npy"
    )
    add_common_arguments(parser)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def stop(number: int, frame: object) -> None:
    """Leave by an exception, so that what is done is kept."""
    raise SystemExit(128 + number)


def main() -> None:
    args = parse_args()
    # Launchers and queues end a process with SIGTERM.
    signal.signal(signal.SIGTERM, stop)
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.config, args.work_dir)
    out = Path(args.out or Path(cfg.work_dir) / "benchmark")
    try:
        results, written = run_benchmark(
            cfg,
            args.checkpoint,
            out,
            args.datasets,
            args.scores,
            resume=args.resume,
            keep_maps=args.keep_maps,
            trust=args.trust_checkpoint,
        )
    except KeyboardInterrupt:
        print(f"stopped; what is done is in {out}: add --resume to go on", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    if written:
        print_tables(results, None if sys.stdout.isatty() else Console(width=LOG_WIDTH))
        print("written:", *written, sep="\n  ")


if __name__ == "__main__":
    sys.exit(run_tool(main))
