"""Train a model: ``python tools/train.py CONFIG``."""

import argparse
import os
import sys

from mmosr.utils.cli import add_common_arguments, run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="continue from this checkpoint; without a name, from the last one in the work folder, "
        "or from the start when there is none",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision")
    add_common_arguments(parser)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()
    from mmosr.config.loading import load_run_config
    from mmosr.engine.runners import training_runner

    cfg = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    training_runner(cfg, args.resume, amp=args.amp, trust=args.trust_checkpoint).train()


if __name__ == "__main__":
    sys.exit(run_tool(main))
