"""ROC and precision-recall figures of an anomaly score, from its streamed histogram.

Pure functions of a :class:`~mmosr.evaluation.histogram.ScoreHistogram`. Unknown is the positive
class, a larger score means more unknown, and samples of one histogram cell are tied. Thresholds go
from the highest score downwards and nothing is interpolated.

This module only needs NumPy.
"""

from __future__ import annotations

import numpy as np

from mmosr.utils import InputError

from .histogram import MAX_BITS, ScoreHistogram


def roc_curve(histogram: ScoreHistogram) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False and true positive rate at every threshold, from the highest score downwards.

    Returns:
        ``(fpr, tpr, thresholds)``, each of shape (K + 1,) and in [0, 1]; the first point is
        (0, 0) at threshold infinity. A rate whose class has no sample is NaN.
    """
    false_positives, true_positives = _positives(histogram)
    thresholds = np.append(np.float32(np.inf), histogram.thresholds[::-1])
    return _rate(false_positives), _rate(true_positives), thresholds


def precision_recall_curve(
    histogram: ScoreHistogram,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall at every threshold, from the highest score downwards.

    Returns:
        ``(precision, recall, thresholds)``, each of shape (K + 1,) and in [0, 1]; the first point
        is (1, 0) at threshold infinity. Recall is NaN without unknown samples.
    """
    false_positives, true_positives = _positives(histogram)
    selected = false_positives + true_positives
    precision = np.ones(selected.shape)
    precision[1:] = true_positives[1:] / selected[1:]
    thresholds = np.append(np.float32(np.inf), histogram.thresholds[::-1])
    return precision, _rate(true_positives), thresholds


def auroc(histogram: ScoreHistogram) -> float:
    """Probability that a random unknown scores above a random known sample; ties count half.

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.
    """
    if not _defined(histogram):
        return np.nan
    false_positives, true_positives = map(_rate, _positives(histogram))
    heights = true_positives[1:] + true_positives[:-1]
    return float(np.sum(np.diff(false_positives) * heights) / 2)


def average_precision(histogram: ScoreHistogram) -> float:
    """AP, step-wise: ``sum_n (R_n - R_(n-1)) P_n``, unknown positive.

    The definition of scikit-learn and Fishyscapes, not the trapezoid.

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.
    """
    if not _defined(histogram):
        return np.nan
    false_positives, true_positives = _positives(histogram)
    precision = true_positives[1:] / (true_positives[1:] + false_positives[1:])
    return float(np.sum(np.diff(_rate(true_positives)) * precision))


def aupr_in(histogram: ScoreHistogram) -> float:
    """AP with known (in-distribution) as the positive class, called AUPR-In.

    Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution
    examples", ICLR 2017: the score is negated and the classes are exchanged.

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.
    """
    return average_precision(flip(histogram))


def fpr_at_tpr(histogram: ScoreHistogram, tpr: float = 0.95) -> float:
    """False positive rate at the first threshold whose true positive rate is at least ``tpr``.

    Unknown is positive. Thresholds go from the highest score downwards; nothing is interpolated
    (Fishyscapes).

    Args:
        histogram: Scores of known and unknown samples.
        tpr: True positive rate to reach, in (0, 1].

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.

    Raises:
        InputError: If ``tpr`` is out of range.
    """
    index = _reaching(histogram, tpr)
    return np.nan if index is None else float(_rate(_positives(histogram)[0])[index])


def tnr_at_tpr(histogram: ScoreHistogram, tpr: float = 0.95) -> float:
    """Share of unknown samples rejected at the threshold that accepts ``tpr`` of the known ones.

    Known (in-distribution) is positive here, as in ODIN (Liang et al., 2018), Lee et al. (2018)
    and L-GMM, appendix C.1, where the figure is called TNR at TPR 95 %. The threshold is the first
    from the lowest score upwards.

    Args:
        histogram: Scores of known and unknown samples.
        tpr: Rate of accepted known samples to reach, in (0, 1].

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.

    Raises:
        InputError: If ``tpr`` is out of range.
    """
    return 1 - fpr_at_tpr(flip(histogram), tpr)


def best_f1(histogram: ScoreHistogram) -> tuple[float, float]:
    """Largest F1 of ``score >= threshold`` over all thresholds, and that threshold.

    The threshold that SegmentMeIfYouCan segments components with.

    Returns:
        F1 in [0, 1] and the lowest float32 score of the cell, in score units; the highest of
        several best thresholds. (NaN, NaN) when there is no unknown sample.
    """
    if not histogram.num_unknown:
        return np.nan, np.nan
    false_positives, true_positives = _positives(histogram)
    # 2 TP / (2 TP + FP + FN) with TP + FN = all unknown samples.
    f1 = 2 * true_positives / (true_positives + false_positives + histogram.num_unknown)
    index = int(np.argmax(f1))
    return float(f1[index]), float(histogram.thresholds[-index])


def flip(histogram: ScoreHistogram) -> ScoreHistogram:
    """The histogram of negated scores with known and unknown exchanged.

    A cell stays one cell: its key is mirrored. The cell of zero becomes that of -0.0.
    """
    mirrored = ~histogram.keys[::-1] & np.uint32(2**histogram.bits - 1)
    return ScoreHistogram(mirrored, histogram.unknown[::-1], histogram.known[::-1], histogram.bits)


def bounds(histogram: ScoreHistogram) -> dict[str, tuple[float, float]]:
    """The range of AUROC, AP and FPR95 for the float32 scores before they were cut to cells.

    Rigorous except for rounding: the samples of a cell may come in any order, tied or not. If all
    known samples of every cell come first (have the highest scores), AUROC and AP are lowest and
    FPR95 is highest; if all unknown samples come first, the reverse. A histogram of 32 bits is
    exact.

    In a cell with ``u`` unknown and ``k`` known samples, and ``T`` unknown and ``F`` known ones in
    the cells above, the precision at the j-th unknown sample is at least
    ``(T + j) / (T + j + F + k)``, and at most ``(T + u) / (T + u + F)``: the unknown ones tied with
    each other. The former is concave in ``j``, so its mean over ``j`` is at least the mean of its
    first and last value, which is taken here.

    Returns:
        ``(lower, upper)`` by 'AUROC', 'AP' and 'FPR95', in [0, 1]; NaN when there is no known or no
        unknown sample.
    """
    if histogram.bits == MAX_BITS or not _defined(histogram):
        all_figures = figures(histogram)
        return {name: (all_figures[name],) * 2 for name in ("AUROC", "AP", "FPR95")}
    false_positives, true_positives = _positives(histogram)
    fpr, tpr = _rate(false_positives), _rate(true_positives)
    known_above, unknown_above = false_positives[:-1], true_positives[:-1]
    known_through, unknown_through = false_positives[1:], true_positives[1:]
    first = (unknown_above + 1) / (unknown_above + 1 + known_through)
    last = unknown_through / (unknown_through + known_through)
    # At least 1 in the denominator, so that without unknown samples it is not 0 / 0.
    tied = unknown_through / np.maximum(unknown_through + known_above, 1)
    reached = _reaching(histogram, 0.95)
    steps = np.diff(tpr)
    return {
        "AUROC": (float(np.diff(fpr) @ tpr[:-1]), float(np.diff(fpr) @ tpr[1:])),
        "AP": (float(steps @ (first + last)) / 2, float(steps @ tied)),
        "FPR95": (float(fpr[reached - 1]), float(fpr[reached])),
    }


def figures(histogram: ScoreHistogram) -> dict[str, float]:
    """All figures of a score.

    Returns:
        'AUROC', 'AP', 'AUPR-In', 'FPR95', 'TNR95' and 'F1' in [0, 1] and 'F1-threshold' in score
        units; NaN where undefined.
    """
    f1, threshold = best_f1(histogram)
    return {
        "AUROC": auroc(histogram),
        "AP": average_precision(histogram),
        "AUPR-In": aupr_in(histogram),
        "FPR95": fpr_at_tpr(histogram),
        "TNR95": tnr_at_tpr(histogram),
        "F1": f1,
        "F1-threshold": threshold,
    }


def percent(value: float) -> float:
    """A fraction as metrics report it: in percent, with four decimals."""
    return round(float(value) * 100, 4)


def _reaching(histogram: ScoreHistogram, tpr: float) -> int | None:
    """Position of the first threshold, from the top, with a true positive rate of ``tpr``."""
    if not 0 < tpr <= 1:
        raise InputError(f"tpr={tpr} is out of range: choose a rate in (0, 1].")
    if not _defined(histogram):
        return None
    return int(np.argmax(_rate(_positives(histogram)[1]) >= tpr))


def _positives(histogram: ScoreHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Known and unknown samples selected at each threshold, highest first, starting at zero."""
    false_positives = np.append(0, np.cumsum(histogram.known[::-1]))
    true_positives = np.append(0, np.cumsum(histogram.unknown[::-1]))
    return false_positives, true_positives


def _rate(counts: np.ndarray) -> np.ndarray:
    """Cumulative counts as fractions of the last one."""
    total = counts[-1]
    return counts / total if total else np.full(counts.shape, np.nan)


def _defined(histogram: ScoreHistogram) -> bool:
    return histogram.num_known > 0 and histogram.num_unknown > 0
