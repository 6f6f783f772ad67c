"""Randomness that survives a kill."""

import torch
from mmengine.hooks import Hook

from mmosr.registry import HOOKS


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seed torch at every training step from the run's seed, the step and the rank.

    mmengine's checkpoints carry no random state, so a resumed run would draw other dropout masks
    and samples than an uninterrupted run. With this hook step ``i`` draws the same numbers in both.
    For data augmentation see :class:`mmosr.datasets.SeedDraw`.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        step = runner.iter * runner.world_size + runner.rank
        # A multiplicative hash: neighbouring steps of neighbouring seeds must not share a stream.
        torch.manual_seed((runner.seed * 1_000_003 + step) * 2_654_435_761 % 2**63)
