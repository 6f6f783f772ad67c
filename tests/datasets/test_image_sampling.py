"""Seeded draws of images."""

import numpy as np
import pytest

from mmosr.datasets.image_sampling import sample_images, validation_share
from mmosr.utils import InputError

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 3, 4], [10, 25, 7]))


def test_share_of_each_class():
    marked = validation_share(LABELS, 0.2)
    assert [int(marked[LABELS == label].sum()) for label in (0, 3, 4)] == [2, 5, 1]
    assert marked.dtype == bool and marked.shape == LABELS.shape


def test_at_least_one_image():
    assert validation_share(LABELS, 0.001).sum() == 3


def test_seed():
    first = validation_share(LABELS, 0.3, 1)
    np.testing.assert_array_equal(first, validation_share(LABELS, 0.3, 1))
    assert (first != validation_share(LABELS, 0.3, 2)).any()


def test_other_classes_do_not_matter():
    keep = LABELS != 3
    np.testing.assert_array_equal(
        validation_share(LABELS, 0.3)[keep], validation_share(LABELS[keep], 0.3)
    )


def test_larger_share_holds_the_smaller():
    small, large = (validation_share(LABELS, fraction) for fraction in (0.2, 0.5))
    assert (small <= large).all() and small.sum() < large.sum()


def test_classes_are_drawn_apart():
    """Equal classes get different draws."""
    labels = np.repeat(np.arange(8), 30)
    rows = validation_share(labels, 0.5).reshape(8, 30)
    assert len(np.unique(rows, axis=0)) == 8


def test_no_image_is_preferred():
    labels = np.zeros(10, int)
    counts = sum(validation_share(labels, 0.5, seed).astype(int) for seed in range(400))
    assert abs(counts - 200).max() < 50  # five standard deviations


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fraction_out_of_range(fraction):
    with pytest.raises(InputError, match="is out of range: choose a share in"):
        validation_share(LABELS, fraction)


def test_class_would_be_empty():
    with pytest.raises(InputError, match="class 1 has 1 training images.*leaves none"):
        validation_share(np.array([0, 0, 0, 1]), 0.3)


def test_sample():
    chosen = sample_images(100, 30, 4)
    assert len(np.unique(chosen)) == 30 and (np.diff(chosen) > 0).all()
    assert chosen.min() >= 0 and chosen.max() < 100
    np.testing.assert_array_equal(chosen, sample_images(100, 30, 4))
    assert (chosen != sample_images(100, 30, 5)).any()
    np.testing.assert_array_equal(sample_images(7, 7), np.arange(7))


@pytest.mark.parametrize("num", [0, 8, -1])
def test_sample_out_of_range(num):
    with pytest.raises(InputError, match=f"{num} of 7 images cannot be drawn: choose 1 to 7"):
        sample_images(7, num)


def test_negative_seed():
    with pytest.raises(InputError, match="seed -1 is negative"):
        sample_images(7, 3, -1)
    with pytest.raises(InputError, match="seed -1 is negative"):
        validation_share(LABELS, 0.5, -1)
