"""Train a model: ``python tools/train.py CONFIG``."""

import argparse
import sys

from mmosr.utils import cli


def parse_args() -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_config_argument(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="continue from this checkpoint; without a name, from the last one in the work folder, "
        "or from the start if there is none",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision")
    cli.add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from mmosr.config.loading import load_run_config
    from mmosr.engine.runners import training_runner

    cfg = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    training_runner(cfg, args.resume, amp=args.amp, trust=args.trust_checkpoint).train()


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
