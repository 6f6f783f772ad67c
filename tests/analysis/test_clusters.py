"""Cluster figures against brute force, scikit-learn and closed forms."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import davies_bouldin_score

from mmosr.analysis import (
    bhattacharyya_coefficient,
    class_mean_distance,
    davies_bouldin,
    inter_class_distance,
    intra_class_distance,
    nearest_centre,
)
from mmosr.analysis.clusters import default_bins, sampling_loss
from mmosr.utils import InputError

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 4], [5, 9, 700])  # unequal, and one class without images
POINTS = (RNG.normal(size=(714, 6)) + LABELS[:, None]).astype(np.float32)


def test_davies_bouldin_is_scikit_learns_and_the_formula():
    points = (POINTS + 5000).astype(np.float64)  # of float32 features far from 0
    assert davies_bouldin(points.astype(np.float32), LABELS) == davies_bouldin_score(points, LABELS)
    means = [points[LABELS == k].mean(0) for k in (0, 1, 4)]
    spread = [
        np.linalg.norm(points[LABELS == k] - m, axis=1).mean()
        for k, m in zip((0, 1, 4), means, strict=True)
    ]
    ratio = [
        max(
            (spread[i] + spread[j]) / np.linalg.norm(means[i] - means[j])
            for j in range(3)
            if j != i
        )
        for i in range(3)
    ]
    assert davies_bouldin(points, LABELS) == pytest.approx(np.mean(ratio), rel=1e-7)


def test_classes_of_one_mean_are_not_separated():
    """A division by 0 in the formula; scikit-learn returns 0, the best value."""
    collapsed = np.zeros((714, 6), np.float32)
    assert davies_bouldin_score(collapsed, LABELS) == 0
    assert davies_bouldin(collapsed, LABELS) == np.inf
    # float32 gives means that differ.
    assert davies_bouldin(collapsed + np.float32(0.1), LABELS) == np.inf
    # Two of three classes.
    points = np.array([[-1.0, 0], [1, 0], [0, -2], [0, 2], [9, 1], [9, -1]])
    labels = np.repeat([0, 1, 2], 2)
    assert davies_bouldin(points, labels) == np.inf
    points[:2] += 5
    assert davies_bouldin(points, labels) == davies_bouldin_score(points, labels) < np.inf


def test_distances_between_and_within_classes_by_brute_force():
    groups = [POINTS[LABELS == k].astype(float) for k in (0, 1, 4)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    between = [
        np.mean([np.linalg.norm(a - b) for a in groups[i] for b in groups[j]]) for i, j in pairs
    ]
    assert inter_class_distance(POINTS, LABELS) == pytest.approx(np.mean(between), rel=1e-9)
    means = [group.mean(0) for group in groups]
    apart = [np.linalg.norm(means[i] - means[j]) for i, j in pairs]
    assert class_mean_distance(POINTS, LABELS) == pytest.approx(np.mean(apart), rel=1e-9)
    within = [
        np.mean([np.linalg.norm(row - mean) for row in group])
        for group, mean in zip(groups, means, strict=True)
    ]
    assert intra_class_distance(POINTS, LABELS) == pytest.approx(np.mean(within), rel=1e-9)


def test_one_class_has_no_distance_to_another():
    for function in (davies_bouldin, inter_class_distance, class_mean_distance):
        with pytest.raises(InputError, match="two known classes"):
            function(POINTS, np.zeros(len(POINTS), int))


def test_nearest_centre():
    distance, closest = nearest_centre(np.array([[0.0, 0], [3, 4]]), np.array([[3.0, 0], [0, 1]]))
    assert distance.tolist() == pytest.approx([1, 4])
    assert closest.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("shift", "width", "sizes"), [(0, 1, 2), (1.5, 1, 2), (1, 3, 2), (4, 1, 2), (1, 2, 20)]
)
def test_overlap_of_two_gaussians(shift, width, sizes):
    """``sqrt(2 s t / (s^2 + t^2)) exp(-d^2 / (4 (s^2 + t^2)))``."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=100_000)
    second = shift + width * rng.normal(size=200_000 // sizes)
    both = 1 + width**2
    expected = np.sqrt(2 * width / both) * np.exp(-(shift**2) / (4 * both))
    bins = default_bins(len(first), len(second))
    found = bhattacharyya_coefficient(first, second)
    loss = sampling_loss(len(first), len(second), bins)
    # of the sum of sqrt(p q), to first order
    deviation = np.sqrt((1 - expected**2) / 4 * (1 / len(first) + 1 / len(second)))
    assert -loss - 4 * deviation - 5e-4 < found - expected < 4 * deviation + 5e-4


def test_overlap_by_hand():
    # Two bins, cut in the middle of the pooled weight: 3/4 and 1/4 against 1/4 and 3/4.
    first, second = [1, 2, 3, 7], [4, 6, 8, 9]
    expected = 2 * np.sqrt(3 / 16)
    assert bhattacharyya_coefficient(first, second, 2) == pytest.approx(expected)
    # a sample twice as large with the same shares has the same weight
    assert bhattacharyya_coefficient(first * 2, second, 2) == pytest.approx(expected)
    assert bhattacharyya_coefficient(second, first, 2) == pytest.approx(expected)


def test_overlap_of_equal_and_of_disjoint_samples():
    values = RNG.normal(size=300)
    assert bhattacharyya_coefficient(values, values) == pytest.approx(1)
    assert bhattacharyya_coefficient([2.0] * 9, [2.0] * 5) == pytest.approx(1)
    for count in (3, 100, 4321):
        assert bhattacharyya_coefficient(values, RNG.uniform(9, 10, count)) == 0
        assert bhattacharyya_coefficient(RNG.uniform(9, 10, count), values, 6) == 0


def test_overlap_does_not_depend_on_the_unit_nor_on_an_outlier():
    first, second = RNG.gamma(3, size=1000), RNG.gamma(5, size=800)
    found = bhattacharyya_coefficient(first, second)
    assert bhattacharyya_coefficient(1000 * first, 1000 * second) == found
    far = bhattacharyya_coefficient(np.append(first, 1e9), second)
    assert far == pytest.approx(found, abs=0.005)


def test_what_equal_distributions_lose_to_the_sampling():
    rng = np.random.default_rng(0)
    bins = default_bins(500, 400)
    assert bins == 20
    found = [
        bhattacharyya_coefficient(rng.normal(size=500), rng.normal(size=400)) for _ in range(200)
    ]
    assert 1 - np.mean(found) == pytest.approx(sampling_loss(500, 400, bins), rel=0.1)


def test_sampling_loss_of_two_bins_by_enumeration():
    """For two equal bins that do not move with the samples, over all their counts."""
    first, second = np.arange(301), np.arange(201)
    chance = np.outer(binom.pmf(first, 300, 0.5), binom.pmf(second, 200, 0.5))
    p, q = first[:, None] / 300, second / 200
    expected = (chance * (np.sqrt(p * q) + np.sqrt((1 - p) * (1 - q)))).sum()
    assert sampling_loss(300, 200, 2) == pytest.approx(1 - expected, rel=0.01)


@pytest.mark.parametrize(
    ("first", "second", "bins", "text"),
    [
        ([], [1.0], 2, "values of both"),
        ([1.0], [np.nan], 2, "finite"),
        ([1.0], [2.0], 3, "3 bins"),
        ([1.0], [2.0], 0, "0 bins"),
    ],
)
def test_overlap_of_nothing(first, second, bins, text):
    with pytest.raises(InputError, match=text):
        bhattacharyya_coefficient(first, second, bins)
