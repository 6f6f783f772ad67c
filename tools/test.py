"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
import sys

from mmosr.utils import cli
from mmosr.utils.renamed_options import present_names

RENAMED = {"--score": "--scores", "--out": "--out-dir"}


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_config_argument(parser)
    cli.add_checkpoint_argument(parser)
    parser.add_argument(
        "--scores", nargs="+", metavar="NAME", help="anomaly scores, instead of the config's own"
    )
    parser.add_argument(
        "--out-dir",
        metavar="DIR",
        help="folder for the predicted label maps, or for images.csv, the scores of all images",
    )
    parser.add_argument("--show", action="store_true", help="show the drawn images")
    parser.add_argument("--show-dir", metavar="DIR", help="folder for the drawn images")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds to show an image")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    cli.add_common_arguments(parser)
    return parser.parse_args(present_names(RENAMED))


def main() -> None:
    args = parse_args()
    from mmosr.config.loading import load_run_config
    from mmosr.engine.testing import testing_runner

    cfg = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    runner = testing_runner(
        cfg,
        args.checkpoint,
        args.scores,
        out_dir=args.out_dir,
        show=args.show,
        show_dir=args.show_dir,
        wait_time=args.wait_time,
        tta=args.tta,
        trust=args.trust_checkpoint,
    )
    runner.test()


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
