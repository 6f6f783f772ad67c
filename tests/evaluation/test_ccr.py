"""CCR and OSCR: by hand, and by loops over all thresholds and all pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmosr.evaluation.recognition import ccr_curve

from .recognition_cases import (
    PREDICTIONS,
    SCORES,
    TRUTH,
    ccr_at_fpr,
    loop_oscr,
    oscr,
    random_case,
)


def loop_curve(scores, predictions, truth):
    """(FPR, CCR) of every threshold, one image after the other."""
    known = sum(label != -1 for label in truth)
    unknown = len(truth) - known
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores)):
        accepted = right = 0
        for score, prediction, label in zip(scores, predictions, truth, strict=True):
            if score <= threshold and label == -1:
                accepted += 1
            if score <= threshold and label != -1 and prediction == label:
                right += 1
        points.append((accepted / unknown, right / known))
    return points


def test_hand_computed_curve():
    fpr, ccr, thresholds = ccr_curve(SCORES, PREDICTIONS, TRUTH)
    # Score 4 is only a wrong image: no point of its own.
    np.testing.assert_array_equal(thresholds, [-np.inf, 1, 2, 3, 5, 6])
    np.testing.assert_allclose(fpr, [0, 0, 1 / 3, 2 / 3, 2 / 3, 1], atol=1e-15)
    np.testing.assert_allclose(ccr, [0, 1 / 4, 1 / 4, 2 / 4, 3 / 4, 3 / 4], atol=1e-15)


@pytest.mark.parametrize(
    "fpr, expected",
    [(0, 1 / 4), (0.3, 1 / 4), (1 / 3, 1 / 4), (0.6, 1 / 4), (2 / 3, 3 / 4), (1, 3 / 4)],
)
def test_hand_computed_ccr(fpr, expected):
    assert ccr_at_fpr(SCORES, PREDICTIONS, TRUTH, fpr) == expected


def test_hand_computed_oscr():
    # Trapezoids: 1/3 at 1/4; 1/3 from 1/4 to 2/4; 1/3 at 3/4.
    expected = (1 / 4 + 3 / 8 + 3 / 4) / 3
    assert oscr(SCORES, PREDICTIONS, TRUTH) == pytest.approx(expected, abs=1e-15)


def test_nothing_is_accepted_when_the_lowest_score_is_unknown():
    scores, predictions, truth = [0, 0, 1], [0, 0, 0], [-1, 0, 0]
    assert ccr_at_fpr(scores, predictions, truth, 0.99) == 0
    assert ccr_at_fpr(scores, predictions, truth, 1) == 1


@pytest.mark.parametrize("unknown", [10, 30, 70, 100, 290])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7])
def test_rate_that_is_met_exactly_counts(unknown, rate):
    """No rounding between ``rate * N`` and a count: exactly that many unknown are accepted."""
    scores = np.arange(2 * unknown)  # known and unknown alternate, unknown first
    truth = np.tile([-1, 0], unknown)
    expected = round(rate * unknown) / unknown
    assert ccr_at_fpr(scores, np.zeros_like(truth), truth, rate) == expected


@pytest.mark.parametrize("seed", range(4))
def test_ccr_and_oscr_equal_loops(seed):
    case = random_case(seed)
    points = loop_curve(*case)
    for rate in (0, 0.01, 0.05, 0.1, 0.5, 1):
        expected = max(ccr for fpr, ccr in points if fpr <= rate)
        assert ccr_at_fpr(*case, rate) == pytest.approx(expected, abs=1e-14)
    assert oscr(*case) == pytest.approx(loop_oscr(*case), abs=1e-12)


cases = st.lists(
    st.tuples(st.integers(-4, 4), st.integers(0, 2), st.integers(-1, 2)), min_size=1, max_size=40
)


@settings(max_examples=150, deadline=None)
@given(cases, st.integers(0, 20))
def test_ccr_and_oscr_equal_loops_with_ties(rows, step):
    scores, predictions, truth = map(np.array, zip(*rows, strict=True))
    if (truth == -1).all() or (truth != -1).all():
        assert math.isnan(oscr(scores, predictions, truth))
        assert math.isnan(ccr_at_fpr(scores, predictions, truth, 0.1))
        return
    expected = max(c for f, c in loop_curve(scores, predictions, truth) if f <= step / 20)
    assert ccr_at_fpr(scores, predictions, truth, step / 20) == pytest.approx(expected, abs=1e-14)
    area = oscr(scores, predictions, truth)
    assert area == pytest.approx(loop_oscr(scores, predictions, truth), abs=1e-12)
    # The order of the images cannot matter, also within a tie.
    order = np.random.default_rng(step).permutation(len(rows))
    assert oscr(scores[order], predictions[order], truth[order]) == area


def test_oscr_of_a_perfect_classifier_is_auroc_and_of_a_perfect_score_accuracy():
    scores, predictions, truth = random_case(0)
    unknown = truth == -1
    perfect = np.where(unknown, 0, truth)
    assert oscr(scores, perfect, truth) == pytest.approx(sk.roc_auc_score(unknown, scores))
    accuracy = sk.accuracy_score(truth[~unknown], predictions[~unknown])
    assert oscr(unknown.astype(float), predictions, truth) == pytest.approx(accuracy)


@pytest.mark.parametrize("prediction, truth", [(0, 1), (1, 1), (1, -1)])
def test_one_kind_alone_is_undefined(prediction, truth):
    assert math.isnan(oscr([0.5], [prediction], [truth]))
    assert math.isnan(ccr_at_fpr([0.5], [prediction], [truth], 1))


def test_a_classifier_that_is_never_right_has_no_ccr():
    assert ccr_at_fpr([0, 1], [1, 0], [0, -1], 1) == 0
    assert oscr([0, 1], [1, 0], [0, -1]) == 0
