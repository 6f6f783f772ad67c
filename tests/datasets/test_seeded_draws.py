import itertools
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from torch.utils.data import DataLoader, Dataset

from mmosr.datasets import SeedDraw, SeededInfiniteSampler
from mmosr.utils import InputError


class Noise(Dataset):
    """Each sample is its index and the output of the three generators."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        SeedDraw()({"sample_idx": index})
        return int(index), np.random.rand(), random.random(), torch.rand(()).item()


def load(start, steps, workers):
    """Batches ``start .. start + steps`` of a run that starts, or resumes, at ``start``."""
    sampler = SeededInfiniteSampler(Noise(), seed=3)
    sampler.indices = itertools.islice(sampler._indices_of_rank(), 2 * start, None)
    loader = DataLoader(Noise(), batch_size=2, sampler=sampler, num_workers=workers)
    # A DataLoader ends after len(sampler) samples have made full batches; an iterator does not.
    batches = itertools.islice(iter(loader), steps)
    return [tuple(part.tolist() for part in batch) for batch in batches]


def test_the_order_is_that_of_mmengine():
    ours = itertools.islice(SeededInfiniteSampler(Noise(), seed=7), 23)
    assert list(ours) == list(itertools.islice(InfiniteSampler(Noise(), seed=7), 23))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_starts_later_draws_the_same(workers):
    whole = load(0, 6, workers=0)
    assert load(2, 4, workers) == whole[2:]
    # Another draw of the same sample is another picture.
    draws = {(i, value) for batch in whole for i, value in zip(batch[0], batch[1], strict=True)}
    assert len(draws) == 12


def test_ranks_share_the_positions(monkeypatch):
    single = list(itertools.islice(SeededInfiniteSampler(Noise(), seed=1), 8))
    parts = []
    for rank in range(2):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, 2))
        sampler = SeededInfiniteSampler(Noise(), seed=1)
        parts.append(list(itertools.islice(sampler, 4)))
    merged = [draw for pair in zip(*parts, strict=True) for draw in pair]
    assert [(int(d), d.seed) for d in merged] == [(int(d), d.seed) for d in single]
    assert len({d.seed for d in single}) == 8


def test_a_draw_survives_pickling():
    draw = next(iter(SeededInfiniteSampler(Noise(), seed=1)))
    copy = pickle.loads(pickle.dumps(draw))
    assert (copy, copy.seed) == (draw, draw.seed)


def test_another_sampler_is_refused():
    with pytest.raises(InputError, match="SeededInfiniteSampler"):
        SeedDraw()({"sample_idx": 3})
