"""What does not go with the training loop, found in the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.registry import DATA_SAMPLERS, LOOPS
from mmengine.runner import EpochBasedTrainLoop

from mmosr.utils.errors import InputError

from .types import registered_class


def check_ends(cfg: Mapping[str, Any]) -> None:
    """Check that an epoch ends where training counts epochs.

    Args:
        cfg: The whole config.

    Raises:
        InputError: ``train_dataloader`` draws without an end.
    """
    sampler = (cfg.get("train_dataloader") or {}).get("sampler") or {}
    found = registered_class(DATA_SAMPLERS, sampler.get("type"), cfg.get("default_scope"))
    if found is not None and issubclass(found, InfiniteSampler) and _counts_epochs(cfg):
        raise InputError(
            f"train_dataloader.sampler {found.__name__} never ends, and train_cfg counts epochs: "
            "set train_cfg.type='IterBasedTrainLoop' and max_iters, or sampler.type="
            "'DefaultSampler' and no mmosr.SeedDraw in the pipeline"
        )


def _counts_epochs(cfg: Mapping[str, Any]) -> bool:
    loop = cfg.get("train_cfg") or {}
    if loop.get("type") is None:
        return bool(loop.get("by_epoch"))
    found = registered_class(LOOPS, loop["type"], cfg.get("default_scope"))
    return found is not None and issubclass(found, EpochBasedTrainLoop)
