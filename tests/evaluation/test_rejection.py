"""Thresholds of rejection and macro F1: by hand, by loops, and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmosr.evaluation.rejection import (
    confusion_matrix,
    f1_by_class,
    macro_f1,
    reject,
    rejection_threshold,
)

from .recognition_cases import PREDICTIONS, SCORES, TRUTH, random_case


@pytest.mark.parametrize(
    "rate, expected", [(0, 9), (0.05, 9), (0.1, 8), (0.19, 8), (0.2, 7), (0.3, 6), (0.99, 0)]
)
def test_hand_computed_threshold(rate, expected):
    assert rejection_threshold(np.random.default_rng(0).permutation(10), rate) == expected


@pytest.mark.parametrize("percent", range(100))
def test_threshold_rejects_exactly_the_rate(percent):
    """Also where ``rate * 100`` is rounded below the count, as 0.29 * 100 is."""
    assert rejection_threshold(np.arange(100), percent / 100) == 99 - percent


def test_tied_scores_are_kept_together():
    # Two of ten share the largest score: rejecting one is impossible, so none is rejected.
    assert rejection_threshold([0, 1, 2, 3, 4, 5, 6, 7, 8, 8], 0.1) == 8
    assert rejection_threshold([0, 1, 2, 3, 4, 5, 6, 7, 8, 8], 0.2) == 7


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.integers(0, 99))
def test_threshold_equals_loop_and_numpy(values, percent):
    values, rate = np.array(values), percent / 100
    threshold = rejection_threshold(values, rate)
    rejected = [
        t for t in sorted(set(values)) if sum(v > t for v in values) * 100 <= percent * len(values)
    ]
    assert threshold == rejected[0]
    assert np.mean(reject(values, np.zeros(values.shape, int), threshold) == -1) <= rate


def test_threshold_is_the_inverted_cdf_quantile_of_numpy():
    scores = np.random.default_rng(0).normal(size=997).astype(np.float32)
    assert rejection_threshold(scores, 0.1) == np.quantile(scores, 0.9, method="inverted_cdf")
    # And a share of it is rejected, also after the threshold went through a text file.
    threshold = float(repr(rejection_threshold(scores, 0.1)))
    assert np.sum(reject(scores, np.zeros(997, int), threshold) == -1) == 99


@pytest.mark.parametrize("value", [0.1, 0.7])
def test_threshold_from_float64_scores_keeps_its_own_sample(value):
    """Scores and threshold are rounded alike: as float32, 0.1 grows and 0.7 shrinks."""
    scores = np.full(5, value)
    threshold = rejection_threshold(scores)
    np.testing.assert_array_equal(reject(scores, np.arange(5), threshold), range(5))
    np.testing.assert_array_equal(reject(scores, np.arange(5), value), range(5))


def test_hand_computed_macro_f1():
    labels = reject(SCORES, PREDICTIONS, 3)
    np.testing.assert_array_equal(labels, [0, 0, 1, 2, -1, -1, -1])
    matrix = confusion_matrix(TRUTH, labels, 3)
    np.testing.assert_array_equal(matrix, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 2], [1, 0, 1, 1]])
    # Class 0: 2/(2+1), class 1: 1, class 2: 0, unknown: 2/(2+2+2).
    np.testing.assert_allclose(f1_by_class(matrix), [2 / 3, 1, 0, 1 / 3])
    assert macro_f1(matrix) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_equals_scikit_learn(seed):
    scores, predictions, truth = random_case(seed)
    labels = reject(scores, predictions, 0.7)
    matrix = confusion_matrix(truth, labels, 5)
    order = [0, 1, 2, 3, 4, -1]
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, labels, labels=order))
    by_class = sk.f1_score(truth, labels, labels=order, average=None)
    np.testing.assert_allclose(f1_by_class(matrix), by_class, atol=1e-15)
    assert macro_f1(matrix) == pytest.approx(sk.f1_score(truth, labels, average="macro"))


def test_classes_without_samples():
    """Class 1 is predicted but absent: F1 0. Class 2 is neither: left out."""
    truth, labels = np.array([0, 0, -1]), np.array([0, 1, -1])
    matrix = confusion_matrix(truth, labels, 3)
    np.testing.assert_array_equal(f1_by_class(matrix), [2 / 3, 0, np.nan, 1])
    assert macro_f1(matrix) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert macro_f1(matrix) == pytest.approx(sk.f1_score(truth, labels, average="macro"))
    assert math.isnan(macro_f1(np.zeros((3, 3), int)))
