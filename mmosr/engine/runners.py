"""From a config to the runner that trains it."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from mmosr.config.checks import (
    check_data,
    check_folders,
    check_has,
    check_trainable,
    check_training_data,
)
from mmosr.config.machine import enable_amp, fit_to_machine

from .checkpoint import check_safe
from .mixture_optimizer import check_optimizer
from .starting_weights import prepare_start

LAST = "auto"


def build_runner(cfg: Config) -> Runner:
    """The runner of a whole config, which may have its own ``runner_type``."""
    return RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)


def training_runner(
    cfg: Config, resume: str | None = None, *, amp: bool = False, trust: bool = False
) -> Runner:
    """Check a config, adapt it to the machine, and build the runner that trains it.

    Args:
        cfg: The whole config, with ``work_dir``; changed in place.
        resume: Checkpoint to continue from, instead of the config's own; ``'auto'``: the last one
            in the work folder, or from the start if there is none.
        amp: Turn automatic mixed precision on.
        trust: See :func:`~mmosr.engine.checkpoint.read_checkpoint`.

    Raises:
        InputError: Something is missing or inconsistent, training would see the test, or the
            checkpoint cannot be used.
    """
    check_has(cfg, ("train_dataloader",), "train")
    check_trainable(cfg)
    checkpoint = last_checkpoint(cfg.work_dir) if resume == LAST else resume
    if checkpoint is not None:
        cfg.resume, cfg.load_from = True, str(checkpoint)
    if amp:
        enable_amp(cfg)
    check_data(cfg, ["train_dataloader", "val_dataloader"])
    check_training_data(cfg)
    check_folders(cfg)
    if cfg.get("load_from"):
        check_safe(cfg.load_from, trust)
    fit_to_machine(cfg)
    runner = build_runner(cfg)
    prepare_start(runner, cfg, trust)
    check_optimizer(cfg, runner.model)
    return runner


def last_checkpoint(work_dir: str | Path) -> Path | None:
    """The last checkpoint of a training; None without one.

    The folder may have been moved since its name was written: a file in the folder itself is
    preferred.
    """
    written = find_latest_checkpoint(str(work_dir))
    if written is None:
        return None
    own = Path(work_dir, Path(written).name)
    return Path(written) if Path(written).is_file() and not own.is_file() else own
