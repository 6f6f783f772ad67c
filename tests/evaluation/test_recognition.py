"""Image-level figures: by hand, by loops over all thresholds, and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.evaluation.recognition import (
    ccr_at_fpr,
    ccr_curve,
    detection_error,
    openness,
    oscr,
    recognition_figures,
    smallest_detection_error,
    top_k_accuracy,
    truth_ranks,
)
from mmosr.evaluation.rejection import (
    UNKNOWN,
    confusion_matrix,
    f1_by_class,
    macro_f1,
    reject,
    rejection_threshold,
)
from mmosr.utils import InputError

# By increasing score: right, unknown, (right, unknown) tied, wrong, right, unknown.
SCORES = np.array([1, 2, 3, 3, 4, 5, 6.0])
TRUTH = np.array([0, -1, 1, -1, 2, 2, -1])
PREDICTIONS = np.array([0, 0, 1, 2, 0, 2, 1])


def histogram(scores, truth):
    return ScoreHistogram.from_scores(scores, np.asarray(truth) == UNKNOWN, max_cells=None)


def random_case(seed, count=400, classes=5, decimals=1):
    """Many ties; unknown images score higher, wrong ones a little."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, classes, count)
    predictions = np.where(
        rng.random(count) < 0.7, truth % classes, rng.integers(0, classes, count)
    )
    scores = rng.normal(size=count) + (truth == -1) + 0.5 * (predictions != truth)
    return np.round(scores, decimals), predictions, truth


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


def loop_oscr(scores, predictions, truth):
    """Share of (known, unknown) pairs: rightly classified and scored below, ties half."""
    total = pairs = 0
    for score, prediction, label in zip(scores, predictions, truth, strict=True):
        if label == -1:
            continue
        for other in scores[truth == -1]:
            pairs += 1
            if prediction == label:
                total += 1.0 if score < other else 0.5 if score == other else 0.0
    return total / pairs


# CCR and OSCR


def test_hand_computed_curve():
    fpr, ccr, thresholds = ccr_curve(SCORES, PREDICTIONS, TRUTH)
    # Score 4 is a wrong image alone: no point of its own.
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
    scores = np.arange(2 * unknown)  # known and unknown take turns, unknown first
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
    assert top_k_accuracy(class_scores, [0, 0, 1, -1]) == pytest.approx(1 / 3)
    assert top_k_accuracy(class_scores, [0, 0, 1, -1], 2) == pytest.approx(2 / 3)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_scikit_learn(k):
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 10, 500)
    class_scores = rng.normal(size=(500, 10)) + np.eye(10)[truth]
    known = truth != -1
    expected = sk.top_k_accuracy_score(truth[known], class_scores[known], k=k, labels=range(10))
    assert top_k_accuracy(class_scores, truth, k) == pytest.approx(expected, abs=1e-15)


def test_accuracy_without_known_images_is_undefined():
    assert math.isnan(top_k_accuracy(np.zeros((2, 3)), [-1, -1]))


# Macro F1


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


# Openness


@pytest.mark.parametrize(
    "known, unknown, percent",
    [(6, 4, 13.4), (4, 10, 33.33), (4, 50, 62.86), (20, 180, 57.36), (10, 0, 0)],
)
def test_openness_of_the_published_splits(known, unknown, percent):
    value = openness(known, known, known + unknown)
    assert 100 * value == pytest.approx(percent, abs=0.005 if known != 6 else 0.01)


def test_openness_of_fewer_targets_than_training_classes():
    # 10 classes trained, 4 of them to be told apart among 20: 1 - sqrt(20 / 24).
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
        (lambda: top_k_accuracy(np.zeros((2, 4)), [0, 1], 4), "top-4 accuracy of 4 classes"),
        (lambda: top_k_accuracy(np.zeros((2, 4)), [0, 1], 0), "top-0"),
        (lambda: top_k_accuracy(np.zeros(2), [0, 1]), r"shape \(N, C\)"),
        (lambda: top_k_accuracy(np.zeros((3, 4)), [0, 1]), "do not fit 2 labels"),
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
