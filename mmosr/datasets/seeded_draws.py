"""Augmentation that continues after a resume as if training had never stopped.

mmengine seeds a data-loader worker once, when it starts. On resume, recent releases advance the
sampler without loading what was already trained on, so the workers' random streams start afresh and
the pictures are augmented differently from those of an uninterrupted run. Here every draw of the
sampler has its own seed, whichever process loads it, and whenever.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import InfiniteSampler

from mmosr.registry import DATA_SAMPLERS, TRANSFORMS
from mmosr.utils import InputError


class SeededIndex(int):
    """Index of a sample with the seed of this draw."""

    seed: int

    def __new__(cls, index: int, seed: int) -> SeededIndex:
        seeded = super().__new__(cls, index)
        seeded.seed = seed
        return seeded

    def __reduce__(self) -> tuple:  # it is sent to the workers
        return SeededIndex, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """mmengine's ``InfiniteSampler``: the same indices in the same order, each with a seed.

    The seed depends on the sampler's own seed and on the position in the run, counted over all
    ranks. Use it with :class:`SeedDraw`.
    """

    def _indices_of_rank(self) -> Iterator[SeededIndex]:
        draws = (
            SeededIndex(index, _mix(self.seed, position))
            for position, index in enumerate(self._infinite_indices())
        )
        return itertools.islice(draws, self.rank, None, self.world_size)


@TRANSFORMS.register_module()
class SeedDraw(BaseTransform):
    """First step of a training pipeline: seed the generators that later steps draw from.

    Raises:
        InputError: The index does not come from :class:`SeededInfiniteSampler`.
    """

    def transform(self, results: dict) -> dict:
        seed = getattr(results.get("sample_idx"), "seed", None)
        if seed is None:
            raise InputError(
                "mmosr.SeedDraw needs sampler.type='mmosr.SeededInfiniteSampler' in the data "
                "loader: set it, or leave mmosr.SeedDraw out of the pipeline"
            )
        np.random.seed(seed)
        random.seed(seed)
        torch.manual_seed(seed)
        return results


def _mix(seed: int, position: int) -> int:
    """A 32-bit hash: neighbouring draws must not have neighbouring random streams."""
    return int(np.random.SeedSequence([seed, position]).generate_state(1)[0])
