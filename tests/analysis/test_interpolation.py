"""Lines between images: which ones, where they start and end, and their length."""

from collections import Counter

import numpy as np
import pytest
import torch

from mmosr.analysis import (
    exact_squared_norm,
    interpolate,
    path_length,
    sample_pairs,
    space_function,
)
from mmosr.utils import InputError
from tests.classification.toy import build, images

LABELS = np.array([0, -1, 2, 2, 1, -1, 0, 2])


def test_pairs_are_of_different_known_classes_equally_often():
    pairs = sample_pairs(LABELS, 300, seed=0)
    assert pairs.shape == (300, 2)
    found = LABELS[pairs]
    assert (found >= 0).all()
    assert Counter(map(tuple, np.sort(found, 1).tolist())) == {
        (0, 1): 100,
        (0, 2): 100,
        (1, 2): 100,
    }
    forward = sum(first < second for first, second in found)
    assert 110 < forward < 190  # both directions
    assert set(pairs[found == 2]) == {2, 3, 7}  # every image of a class
    np.testing.assert_array_equal(pairs, sample_pairs(LABELS, 300, seed=0))
    assert (pairs != sample_pairs(LABELS, 300, seed=1)).any()
    assert sample_pairs(LABELS, 0, seed=0).shape == (0, 2)


def test_pairs_need_two_classes():
    with pytest.raises(InputError, match="two known classes"):
        sample_pairs(np.array([1, 1, -1]), 1, seed=0)


def test_ends_are_the_images_and_so_are_their_norms():
    first, second = images(3), images(3, seed=1)
    assert torch.equal(interpolate(first, second, 0.0), first)
    assert torch.equal(interpolate(first, second, 1.0), second)
    mixed = interpolate(first, second, torch.tensor([0.0, 0.25, 1.0]).double())
    assert torch.equal(mixed[0], first[0]) and torch.equal(mixed[2], second[2])
    torch.testing.assert_close(mixed[1], 0.75 * first[1] + 0.25 * second[1])
    function = space_function(build("movr"))
    along = exact_squared_norm(function, mixed).value
    torch.testing.assert_close(along[0], exact_squared_norm(function, first).value[0])
    torch.testing.assert_close(along[2], exact_squared_norm(function, second).value[2])
    assert abs(along[1] - along[0]) > 1e-4


def test_length_of_a_line_and_of_an_arc():
    t = np.linspace(0, 1, 201)
    line = np.stack([3 * t, 4 * t], 1)
    arc = np.stack([np.cos(t * np.pi), np.sin(t * np.pi)], 1)
    assert path_length(np.stack([line, arc])).tolist() == pytest.approx([5, np.pi], rel=1e-4)
    assert path_length(np.stack([line, arc]))[1] < np.pi
