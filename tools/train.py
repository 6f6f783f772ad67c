"""Train a model: ``python tools/train.py CONFIG``."""

import argparse
import os
import sys

import mmosr  # noqa: F401  before torch: it says how threads wait

# isort: split
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from mmosr.config.loading import (
    check_data,
    check_has,
    enable_amp,
    fit_to_machine,
    load_config,
    set_work_dir,
)
from mmosr.config.training_data import check_folders, check_training_data
from mmosr.config.training_loop import check_ends
from mmosr.engine import check_optimizer
from mmosr.engine.checkpoint import check_safe
from mmosr.engine.starting_weights import prepare_start
from mmosr.utils.cli import add_common_arguments, run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from this checkpoint; without a name, from the last one in the work folder, "
        "or from the start when there is none",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision")
    add_common_arguments(parser)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def set_resume(cfg: Config, resume: str | None) -> None:
    """Set ``cfg.resume`` and ``cfg.load_from`` by ``--resume``, which wins over the config."""
    if resume == "auto":
        resume = find_latest_checkpoint(cfg.work_dir)
        # The name was written relative to the folder of the first run.
        if resume is not None and not os.path.isfile(resume):
            resume = os.path.join(cfg.work_dir, os.path.basename(resume))
    if resume is not None:
        cfg.resume, cfg.load_from = True, resume


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.config, args.work_dir)
    check_has(cfg, args.config, ("train_dataloader", "train_cfg", "optim_wrapper"), "train")
    check_ends(cfg)
    set_resume(cfg, args.resume)
    if args.amp:
        enable_amp(cfg)
    check_data(cfg, ["train_dataloader", "val_dataloader"])
    check_training_data(cfg)
    check_folders(cfg)
    if cfg.get("load_from"):
        check_safe(cfg.load_from, args.trust_checkpoint)
    fit_to_machine(cfg)

    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    prepare_start(runner, cfg, args.trust_checkpoint)
    check_optimizer(cfg, runner.model)
    runner.train()


if __name__ == "__main__":
    sys.exit(run_tool(main))
