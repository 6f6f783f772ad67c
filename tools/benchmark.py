"""Test a model on open-set data sets: one pass over the images, all scores, all figures, a report.

python tools/benchmark.py CONFIG CHECKPOINT --datasets road_anomaly demo --scores msp energy

It works on the checkpoint of any mmseg config. Progress is saved image by image; a run that was
stopped continues with --resume and gives the same numbers. On several GPUs:

bash tools/dist_benchmark.sh CONFIG CHECKPOINT 8 --datasets road_anomaly demo --scores msp energy
"""

import argparse
import sys
from pathlib import Path

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_config_argument(parser)
    cli.add_checkpoint_argument(parser)
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
    parser.add_argument("--out-dir", metavar="DIR", help="results; default: WORK_DIR/benchmark")
    cli.add_resume_argument(parser, "run")
    parser.add_argument(
        "--keep-maps", action="store_true", help="keep all score maps, in DIR/NAME/maps/*.npy"
    )
    cli.add_common_arguments(parser)
    return parser.parse_args(present_names({"--out": "--out-dir"}))


def main() -> None:
    args = parse_args()
    from mmosr.apis import load
    from mmosr.benchmark.pixels import run_benchmark
    from mmosr.benchmark.pixels.tables import print_tables
    from mmosr.utils.stopping import stoppable

    files, options = (args.config, args.checkpoint), (args.cfg_options, args.trust_checkpoint)
    with stoppable(args.out_dir or "the output folder"):
        loaded = load(*files, args.scores, None, *options, launcher=args.launcher)
        out = Path(args.out_dir or Path(args.work_dir or loaded.work_dir) / "benchmark")
        results, written = run_benchmark(
            loaded, out, args.datasets, resume=args.resume, keep_maps=args.keep_maps
        )
    if written:
        print_tables(results)
        print("written:", *written, sep="\n  ")


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
