"""Rejection of images at a threshold: the threshold, the confusion matrix and macro F1.

Truth and predictions are known labels 0..C-1 or :data:`UNKNOWN` (-1). An image is rejected when its
anomaly score is larger than the threshold; scores are compared as float32. NumPy only.
"""

from __future__ import annotations

import numpy as np

from mmosr.utils import UNKNOWN, InputError

from .histogram import ScoreHistogram


def rejection_threshold(validation_scores: np.ndarray, rate: float = 0.1) -> float:
    """The threshold that rejects a share of the known validation data (m-OvR, protocol B).

    The smallest validation score ``t`` for which at most ``rate`` of the scores are larger than
    ``t``: the quantile of ``1 - rate`` by the **inverted CDF** rule (Hyndman and Fan, type 1),
    without interpolation. Without ties exactly ``floor(rate * N)`` samples are rejected.

    Args:
        validation_scores: Anomaly scores of known images only, shape (N,).
        rate: Share to reject, in [0, 1).

    Returns:
        A float32 value in score units, to be used as ``score > threshold`` -> unknown.

    Raises:
        InputError: If there is no score, one is not finite, or ``rate`` is out of range.
    """
    if not 0 <= rate < 1:
        raise InputError(f"rejection rate {rate} is out of range: choose a share in [0, 1).")
    scores = np.asarray(validation_scores)
    if not scores.size:
        raise InputError("no validation scores: a threshold needs known validation data.")
    histogram = ScoreHistogram.from_scores(scores, np.zeros(scores.shape, bool), max_cells=None)
    larger = histogram.num_known - np.cumsum(histogram.known)
    # Compared as rates: a quotient rounds to the same double as the literal, a product may not.
    return float(histogram.thresholds[np.argmax(larger / histogram.num_known <= rate)])


def reject(scores: np.ndarray, predictions: np.ndarray, threshold: float) -> np.ndarray:
    """Open-set labels: the predicted class, or :data:`UNKNOWN` where the score is larger.

    Args:
        scores: Anomaly scores of shape (N,), compared as float32.
        predictions: Closed-set labels of shape (N,).
        threshold: In score units, see :func:`rejection_threshold`.

    Raises:
        InputError: If shapes differ, a score is not finite or the threshold is NaN.
    """
    predictions, scores = check_labels(predictions, "predictions", 0), np.asarray(scores)
    check_same_shape(scores=scores, predictions=predictions)
    with np.errstate(over="ignore"):  # an overflow becomes infinite and is refused
        scores, limit = scores.astype(np.float32), np.float32(threshold)
    if np.isnan(limit):
        raise InputError("the threshold is NaN: give a number in score units.")
    if not np.isfinite(scores).all():
        raise InputError("scores are NaN, infinite or beyond float32: compute them in float32.")
    return np.where(scores > limit, UNKNOWN, predictions)


def confusion_matrix(truth: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Images by true class (rows) and predicted class (columns), unknown last in both.

    Args:
        truth: Labels of shape (N,), 0..C-1 or :data:`UNKNOWN`.
        predictions: Open-set labels of shape (N,), as from :func:`reject`.
        num_classes: Known classes C.

    Returns:
        int64 of shape (C + 1, C + 1).

    Raises:
        InputError: If shapes differ or a label is out of range.
    """
    truth = check_labels(truth, "truth", UNKNOWN)
    predictions = check_labels(predictions, "predictions", UNKNOWN)
    check_same_shape(truth=truth, predictions=predictions)
    for name, labels in (("truth", truth), ("predictions", predictions)):
        if labels.size and labels.max() >= num_classes:
            raise InputError(f"{name} has label {labels.max()} of {num_classes} classes.")
    # -1 is the last row and column.
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    np.add.at(matrix, (truth, predictions), 1)
    return matrix


def f1_by_class(matrix: np.ndarray) -> np.ndarray:
    """``2 TP / (2 TP + FP + FN)`` of every class of a :func:`confusion_matrix`, unknown last.

    A class without samples has F1 = 0 if it is predicted anywhere, NaN otherwise.
    """
    totals = matrix.sum(0) + matrix.sum(1)
    f1 = np.full(len(matrix), np.nan)
    return np.divide(2 * np.diag(matrix), totals, out=f1, where=totals > 0)


def macro_f1(matrix: np.ndarray) -> float:
    """Mean F1 over the known classes and the unknown class (m-OvR, protocol B).

    Classes that occur neither in the truth nor in the predictions are left out, as in
    scikit-learn's ``f1_score`` with its default labels.
    """
    f1 = f1_by_class(matrix)
    f1 = f1[~np.isnan(f1)]
    return float(np.mean(f1)) if f1.size else np.nan


def check_labels(values: np.ndarray, name: str, lowest: int) -> np.ndarray:
    labels = np.asarray(values)
    if labels.ndim != 1 or (labels.size and not np.issubdtype(labels.dtype, np.integer)):
        raise InputError(
            f"{name} of type {labels.dtype} and shape {labels.shape}: give integers of shape (N,)."
        )
    if labels.size and labels.min() < lowest:
        allowed = "known labels 0..C-1" + (f" or {UNKNOWN} for unknown" if lowest < 0 else "")
        raise InputError(f"{name} has the label {labels.min()}: use {allowed}.")
    return labels.astype(np.int64)


def check_same_shape(**arrays: np.ndarray) -> None:
    if len({array.shape for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError(f"arrays differ in shape: {shapes}; give one entry per image, (N,).")
