"""Image-level figures: by hand, by loops over all thresholds, and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.evaluation.recognition import (
    check_top_k,
    detection_error,
    openness,
    recognition_figures,
    smallest_detection_error,
    truth_ranks,
)
from mmosr.evaluation.rejection import confusion_matrix, reject, rejection_threshold
from mmosr.utils import UNKNOWN, InputError

from .recognition_cases import (
    PREDICTIONS,
    SCORES,
    TRUTH,
    ccr_at_fpr,
    loop_oscr,
    oscr,
    random_case,
)


def histogram(scores, truth):
    return ScoreHistogram.from_scores(scores, np.asarray(truth) == UNKNOWN, max_cells=None)


# Detection error


def loop_detection_points(scores, truth):
    """(TPR, FPR) with known positive: accepted known and accepted unknown, lowest score first."""
    known, unknown = scores[truth != -1], scores[truth == -1]
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores)):
        points.append((np.mean(known <= threshold), np.mean(unknown <= threshold)))
    return points


def test_hand_computed_detection_error():
    # 20 known at 0..19, so TPR 95 % is reached exactly at 18; 2 of 4 unknown are accepted there.
    scores = np.concatenate([np.arange(20), [5, 18, 18.5, 30]])
    truth = np.array([0] * 20 + [-1] * 4)
    assert detection_error(histogram(scores, truth)) == pytest.approx(0.5 * 0.05 + 0.5 * 0.5)
    # Best: accept below 5 would miss 15; accept all known (<= 19) takes 3 of 4 unknown ...
    expected = min(0.5 * (1 - t) + 0.5 * f for t, f in loop_detection_points(scores, truth))
    # ... so that accepting up to 17 (18 of 20, 1 of 4) is better.
    assert expected == pytest.approx(0.5 * 2 / 20 + 0.5 * 1 / 4)
    assert smallest_detection_error(histogram(scores, truth)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_detection_error_equals_loop(seed):
    scores, _, truth = random_case(seed)
    points = loop_detection_points(scores, truth)
    tpr, fpr = next(point for point in points if point[0] >= 0.95)
    error = detection_error(histogram(scores, truth))
    assert error == pytest.approx(0.5 * (1 - tpr) + 0.5 * fpr, abs=1e-12)
    smallest = smallest_detection_error(histogram(scores, truth))
    assert smallest == pytest.approx(min(0.5 * (1 - t) + 0.5 * f for t, f in points), abs=1e-12)
    assert smallest <= error
    fpr, tpr, _ = sk.roc_curve(truth != -1, -scores, drop_intermediate=False)
    index = np.argmax(tpr >= 0.95)
    assert error == pytest.approx(0.5 * (1 - tpr[index]) + 0.5 * fpr[index], abs=1e-12)


def test_an_inverted_score_is_as_bad_as_accepting_nothing():
    assert smallest_detection_error(histogram([0, 1], [-1, 0])) == 0.5


# All figures of a score


def test_figures_equal_scikit_learn():
    scores, predictions, truth = random_case(3)
    unknown = truth == -1
    figures = recognition_figures(scores, predictions, truth)
    assert list(figures) == [
        "AUROC", "AUPR-In", "AUPR-Out", "FPR95", "TNR95", "detection-error",
        "detection-error-min", "CCR1", "CCR5", "CCR10", "OSCR",
    ]  # fmt: skip
    fpr, tpr, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    false_in, true_in, _ = sk.roc_curve(~unknown, -scores, drop_intermediate=False)
    expected = {
        "AUROC": sk.roc_auc_score(unknown, scores),
        "AUPR-In": sk.average_precision_score(~unknown, -scores),
        "AUPR-Out": sk.average_precision_score(unknown, scores),
        "FPR95": fpr[np.argmax(tpr >= 0.95)],
        "TNR95": 1 - false_in[np.argmax(true_in >= 0.95)],
        "CCR1": ccr_at_fpr(scores, predictions, truth, 0.01),
        "CCR5": ccr_at_fpr(scores, predictions, truth, 0.05),
        "CCR10": ccr_at_fpr(scores, predictions, truth, 0.1),
        "OSCR": loop_oscr(scores, predictions, truth),
    }
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, abs=1e-12), name
    assert len({figures["CCR1"], figures["CCR5"], figures["CCR10"]}) == 3


def test_names_of_ccr_rates():
    figures = recognition_figures(SCORES, PREDICTIONS, TRUTH, ccr_rates=(0.001, 0.07))
    assert [name for name in figures if name.startswith("CCR")] == ["CCR0.1", "CCR7"]


@pytest.mark.parametrize("truth", [[0, 1], [-1, -1]])
def test_figures_of_one_kind_are_undefined(truth):
    assert all(math.isnan(v) for v in recognition_figures([0.1, 0.2], [0, 1], truth).values())


def test_many_distinct_scores_stay_exact():
    """More values than a streamed histogram keeps."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=600_000).astype(np.float32)
    truth = np.where(rng.random(scores.size) < 0.5, -1, 0)
    area = recognition_figures(scores, np.zeros_like(truth), truth)["AUROC"]
    assert area == pytest.approx(sk.roc_auc_score(truth == -1, scores), abs=1e-13)


# Closed-set accuracy


def test_hand_computed_ranks():
    class_scores = np.array([[0.1, 0.6, 0.3], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [-np.inf, 0, 1]])
    np.testing.assert_array_equal(truth_ranks(class_scores, [0, 0, 1, 0]), [2, 0, 1, 2])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_scikit_learn(k):
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 10, 500)
    class_scores = rng.normal(size=(500, 10)) + np.eye(10)[truth]
    known = truth != -1
    expected = sk.top_k_accuracy_score(truth[known], class_scores[known], k=k, labels=range(10))
    found = np.mean(truth_ranks(class_scores[known], truth[known]) < k)
    assert found == pytest.approx(expected, abs=1e-15)


# Openness


@pytest.mark.parametrize(
    "known, unknown, percent",
    [(6, 4, 13.4), (4, 10, 33.33), (4, 50, 62.86), (20, 180, 57.36), (10, 0, 0)],
)
def test_openness_of_the_published_splits(known, unknown, percent):
    value = openness(known, known, known + unknown)
    assert 100 * value == pytest.approx(percent, abs=0.005 if known != 6 else 0.01)


def test_openness_of_fewer_targets_than_training_classes():
    # 10 classes trained, 4 of them to be distinguished among 20: 1 - sqrt(20 / 24).
    assert openness(10, 4, 20) == pytest.approx(0.0871290708, abs=1e-10)


# Bad input


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: oscr([0.1, np.nan], [0, 0], [0, -1]), "NaN"),
        (lambda: oscr([np.inf, 0.1], [1, 0], [0, -1]), "infinite"),  # of a wrong image
        (lambda: oscr([0.1], [0, 0], [0, -1]), r"scores \(1,\), predictions \(2,\)"),
        (lambda: oscr([[0.1], [0.2]], [0, 0], [0, -1]), "differ in shape"),
        (lambda: oscr([0.1, 0.2], [0, -1], [0, -1]), "predictions has the label -1"),
        (lambda: oscr([0.1, 0.2], [0, 1], [0, -2]), "or -1 for unknown"),
        (lambda: oscr([0.1, 0.2], [0, 1], [0.0, -1.0]), "truth of type float64"),
        (lambda: ccr_at_fpr([0.1, 0.2], [0, 0], [0, -1], 5), "fpr=5 is out of range"),
        (lambda: detection_error(histogram([0, 1], [0, -1]), 95), "tpr=95"),
        (lambda: check_top_k(4, 4), "top-4 accuracy of 4 classes"),
        (lambda: check_top_k(0, 4), "top-0"),
        (lambda: truth_ranks(np.zeros(2), [0, 1]), r"shape \(N, C\)"),
        (lambda: truth_ranks(np.zeros((3, 4)), [0, 1]), "do not fit 2 labels"),
        (lambda: truth_ranks(np.zeros((2, 4)), [0, 4]), "label 4 has no class score"),
        (lambda: truth_ranks(np.full((2, 4), np.nan), [0, 1]), "NaN"),
        (lambda: truth_ranks(np.zeros((2, 4)), [0, -1]), "use known labels 0..C-1"),
        (lambda: rejection_threshold([]), "no validation scores"),
        (lambda: rejection_threshold([1, np.nan]), "NaN"),
        (lambda: rejection_threshold([1.0], 1), "rejection rate 1"),
        (lambda: rejection_threshold([1.0], 10), "rejection rate 10"),
        (lambda: reject([1.0], [0], np.nan), "threshold is NaN"),
        (lambda: reject([np.nan], [0], 1), "scores are NaN"),
        (lambda: reject([[1.0], [2.0]], [0, 1], 1), "differ in shape"),
        (lambda: confusion_matrix([0, 3], [0, 1], 3), "truth has label 3 of 3"),
        (lambda: confusion_matrix([0, 1], [0, 3], 3), "predictions has label 3 of 3"),
        (lambda: confusion_matrix([0, 1], [0], 3), "differ in shape"),
        (lambda: openness(6, 6, 4), "openness of 6 training"),
        (lambda: openness(0, 6, 10), "openness of 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
