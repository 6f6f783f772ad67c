"""Image-level figures of open-set recognition, from arrays of one entry per image.

Truth is a known label 0..C-1 or ``UNKNOWN`` (-1). Larger anomaly score = more unknown. The
scores are compared as float32, exactly: no binning, nothing interpolated between thresholds,
samples of equal score are accepted or rejected together. An image is **accepted** (called known)
when its score is at most the threshold, and rejected when it is larger.

All figures are fractions in [0, 1], and NaN where they are undefined. This module only needs
NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmosr.utils import UNKNOWN, InputError

from .curves import aupr_in, auroc, average_precision, flip, fpr_at_tpr, roc_curve, tnr_at_tpr
from .histogram import ScoreHistogram
from .rejection import check_labels, check_same_shape

CCR_RATES = (0.01, 0.05, 0.1)  # CAC, table 3


def truth_ranks(class_scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Number of classes before the true one, with the largest score first.

    Among equal scores the lower class comes first, as in ``argmax``.

    Args:
        class_scores: Probabilities, logits or any larger-is-better scores, shape (N, C).
        truth: Known labels, shape (N,); unknown images have no rank: drop them first.

    Returns:
        int64 of shape (N,), 0 where the arg-max is right.

    Raises:
        InputError: If a class score is NaN, the shapes differ, or a label is not in 0..C-1.
    """
    truth, class_scores = check_labels(truth, "truth", 0), np.asarray(class_scores)
    if class_scores.ndim != 2 or len(class_scores) != len(truth):
        raise InputError(
            f"class scores of shape {class_scores.shape} do not fit {len(truth)} labels: "
            "give scores of shape (N, C)."
        )
    classes = class_scores.shape[1]
    if truth.size and truth.max() >= classes:
        raise InputError(f"label {truth.max()} has no class score: there are {classes} classes.")
    if np.isnan(class_scores).any():
        raise InputError("class scores are NaN: compute them from finite features.")
    own = class_scores[np.arange(len(truth)), truth][:, None]
    tied_before = (class_scores == own) & (np.arange(classes) < truth[:, None])
    return ((class_scores > own) | tied_before).sum(1)


def check_top_k(k: int, classes: int) -> None:
    """Refuse a meaningless top-k accuracy.

    Raises:
        InputError: If ``k`` is not in 1..classes - 1.
    """
    if not 1 <= k < max(classes, 2):
        raise InputError(
            f"top-{k} accuracy of {classes} classes is meaningless: choose a smaller k."
        )


def detection_error(histogram: ScoreHistogram, tpr: float = 0.95) -> float:
    """``0.5 (1 - TPR) + 0.5 FPR`` at the threshold of TPR 95 %, known positive.

    L-GMM, appendix C.1: the probability of a wrong decision when known and unknown are equally
    likely. Known (in-distribution) is the **positive** class: TPR is the share of accepted known
    images, FPR that of accepted unknown ones. The threshold is the one of
    :func:`~mmosr.evaluation.curves.tnr_at_tpr`, the first from the lowest score upwards with at
    least ``tpr``; the formula takes the TPR that is reached there.

    Published tables often print :func:`smallest_detection_error` instead.

    Raises:
        InputError: If ``tpr`` is out of (0, 1].
    """
    accepted_unknown = 1 - tnr_at_tpr(histogram, tpr)
    accepted_known = roc_curve(flip(histogram))[1]
    reached = accepted_known[np.argmax(accepted_known >= tpr)]
    return float(0.5 * (1 - reached) + 0.5 * accepted_unknown)


def smallest_detection_error(histogram: ScoreHistogram) -> float:
    """The smallest ``0.5 (1 - TPR) + 0.5 FPR`` over all thresholds, at most 0.5.

    One minus the "detection accuracy" of Lee et al., NeurIPS 2018. Table 10 of L-GMM matches this
    one, not its text: for CIFAR-100 against iSUN it has 22.40 % where table 3 has FPR95 = 69.07 %,
    from which TPR 95 % would give 37.0 %. Compare that table with this figure.
    """
    accepted_unknown, accepted_known, _ = roc_curve(flip(histogram))
    return float(np.min(0.5 * (1 - accepted_known) + 0.5 * accepted_unknown))


def ccr_curve(
    scores: np.ndarray, predictions: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correct classification rate against false positive rate (Dhamija et al., NeurIPS 2018).

    At a threshold, FPR is the share of the unknown images that are accepted, CCR the share of
    **all** known images that are accepted and correctly classified. Both accept a score that
    equals the threshold, so tied samples enter together.

    Args:
        scores: Anomaly scores of shape (N,).
        predictions: Closed-set labels 0..C-1 of shape (N,).
        truth: Labels of shape (N,), known or :data:`UNKNOWN`.

    Returns:
        ``(fpr, ccr, thresholds)``, each of shape (K + 1,) and not decreasing, from threshold minus
        infinity, which accepts nothing, to where all unknown and all correctly classified images
        are accepted. NaN if a kind has no sample.

    Raises:
        InputError: If shapes differ, a score is not finite or a label is out of range.
    """
    predictions = check_labels(predictions, "predictions", 0)
    truth = check_labels(truth, "truth", UNKNOWN)
    scores = np.asarray(scores)
    check_same_shape(scores=scores, predictions=predictions, truth=truth)
    unknown = truth == UNKNOWN
    counted = unknown | (predictions == truth)
    histogram = ScoreHistogram.from_scores(scores, unknown, max_cells=None)  # refuses NaN anywhere
    correct = ScoreHistogram.from_scores(scores[counted], unknown[counted], max_cells=None)
    rates = []
    for counts, total in (
        (correct.unknown, histogram.num_unknown),
        (correct.known, histogram.num_known),
    ):
        accepted = np.append(0, np.cumsum(counts))
        rates.append(accepted / total if total else np.full(accepted.shape, np.nan))
    return *rates, np.append(np.float32(-np.inf), correct.thresholds)


def ccr_at_fpr(fpr: np.ndarray, ccr: np.ndarray, rate: float) -> float:
    """Share of known images accepted and correctly classified at an FPR of at most ``rate``.

    CAC, section 4.2. The threshold is the highest score at which the share of accepted unknown
    images is **at most** ``rate``; nothing is interpolated. If even the lowest score accepts
    more, nothing is accepted and the value is 0.

    Args:
        fpr, ccr: As from :func:`ccr_curve`.
        rate: Largest share of accepted unknown images, in [0, 1].

    Returns:
        A value in [0, 1], NaN without an unknown image.

    Raises:
        InputError: ``rate`` is out of range.
    """
    if not 0 <= rate <= 1:
        raise InputError(f"fpr={rate} is out of range: choose a rate in [0, 1].")
    if np.isnan(fpr[0]):
        return np.nan
    return float(ccr[np.searchsorted(fpr, rate, side="right") - 1])


def oscr(fpr: np.ndarray, ccr: np.ndarray) -> float:
    """Area under a :func:`ccr_curve`, from FPR 0 to 1 (OSCR of Dhamija et al., 2018).

    Groups of equal score are joined by straight lines, so a tie counts half: the area is the
    probability that a random known image is correctly classified and scores below a random unknown
    one. It is at most the closed-set accuracy, and NaN if a kind has no image.
    """
    if np.isnan(fpr[0] + ccr[0]):  # the curve may consist of this point only
        return np.nan
    return float(np.sum(np.diff(fpr) * (ccr[1:] + ccr[:-1])) / 2)


def openness(num_train: int, num_target: int, num_test: int) -> float:
    """``1 - sqrt(2 N_train / (N_test + N_target))`` (Scheirer et al., 2013; CAC, eq. 10).

    Args:
        num_train: Classes seen in training.
        num_target: Known classes to distinguish in the test.
        num_test: Known and unknown classes of the test.

    Returns:
        A value in [0, 1): 0 for a closed set.

    Raises:
        InputError: If a count is below 1, or the test has fewer classes than the training.
    """
    if min(num_train, num_target, num_test) < 1 or num_test + num_target < 2 * num_train:
        raise InputError(
            f"openness of {num_train} training, {num_target} target and {num_test} test classes "
            "is undefined: num_test counts known and unknown classes."
        )
    return float(1 - np.sqrt(2 * num_train / (num_test + num_target)))


def recognition_figures(
    scores: np.ndarray,
    predictions: np.ndarray,
    truth: np.ndarray,
    ccr_rates: Sequence[float] = CCR_RATES,
) -> dict[str, float]:
    """All figures of one anomaly score that need no threshold from validation data.

    Args:
        scores, predictions, truth: As in :func:`ccr_curve`.
        ccr_rates: False positive rates of the CCR.

    Returns:
        'AUROC'; 'AUPR-Out', which is AP (unknown positive), and 'AUPR-In' (AP, known positive);
        'FPR95' (unknown positive, as for pixels) and 'TNR95' (known positive: 1 - TNR95 is the
        FPR95 of the out-of-distribution literature); 'detection-error' and 'detection-error-min'
        (known positive); 'CCR1', 'CCR5', ... (CCR at FPR 1 %, 5 %, ...); 'OSCR'.

    Raises:
        InputError: As :func:`ccr_curve` and :func:`ccr_at_fpr`.
    """
    fpr, ccr, _ = ccr_curve(scores, predictions, truth)
    histogram = ScoreHistogram.from_scores(scores, np.asarray(truth) == UNKNOWN, max_cells=None)
    return {
        "AUROC": auroc(histogram),
        "AUPR-In": aupr_in(histogram),
        "AUPR-Out": average_precision(histogram),
        "FPR95": fpr_at_tpr(histogram),
        "TNR95": tnr_at_tpr(histogram),
        "detection-error": detection_error(histogram),
        "detection-error-min": smallest_detection_error(histogram),
        **{f"CCR{100 * rate:g}": ccr_at_fpr(fpr, ccr, rate) for rate in ccr_rates},
        "OSCR": oscr(fpr, ccr),
    }
