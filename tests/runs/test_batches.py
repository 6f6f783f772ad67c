"""Batches, and images of different sizes."""

import pytest
import torch

from mmosr.runs.batches import cut, run_by_size
from mmosr.utils import InputError


def test_cut():
    assert cut(range(5), 2) == [range(0, 2), range(2, 4), range(4, 5)]
    assert cut([], 3) == []
    with pytest.raises(InputError, match="the batch size must be at least 1, got 0"):
        cut([1], 0)


@pytest.mark.parametrize(
    ("widths", "regroup", "expected"),
    [
        ([4, 4, 4], False, [[0, 1, 2]]),
        ([4, 5, 4], False, [[0], [1], [2]]),
        ([4, 5, 4], True, [[0, 2], [1]]),
        ([], True, []),
    ],
)
def test_run_by_size(widths, regroup, expected):
    images = [torch.full((3, 2, width), place) for place, width in enumerate(widths)]
    shown = []

    def run(batch):
        shown.append(batch["names"])
        return [int(image[0, 0, 0]) for image in torch.stack(list(batch["inputs"]))]

    batch = {"inputs": images, "names": list(range(len(images)))}
    assert run_by_size(run, batch, regroup) == batch["names"]
    assert shown == expected
