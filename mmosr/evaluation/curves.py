"""Streaming ROC and precision-recall figures of an anomaly score.

A score is reduced, image by image, to a sorted sparse histogram of its float32 bit patterns. The
histograms add up exactly and in any order, so images can be streamed and workers merged, and the
memory follows the number of distinct scores instead of the number of pixels. The score is never
squashed, clamped or rescaled. Unknown is the positive class everywhere.

This module needs NumPy only; PyTorch tensors are accepted where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmosr.utils import InputError

if TYPE_CHECKING:
    import torch

    ArrayLike = np.ndarray | torch.Tensor | Sequence

DEFAULT_BITS = 24
_SIGN = np.int32(np.iinfo(np.int32).min)


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """Counts of known and unknown samples for every occupied score.

    The key of a score is its float32 bit pattern, mapped so that integer order is the order of the
    scores, cut to the leading ``bits`` bits. Scores with one key are tied. With ``bits=32`` the
    histogram is exact for float32. With ``bits=b`` two scores of one sign tie when they lie in one
    cell of **relative** width ``2^(9-b)``: ``2^-15``, or 3e-5, for the default of 24 bits (sign, 8
    exponent bits, 15 mantissa bits). What matters is the spread of a score against its magnitude.

    At 24 bits and a million samples, scores around zero, heavy tails, ``1 - p``, N(30, 2) against
    N(33, 2) and N(150, 10) against N(162, 10) stay within 1e-6 (AUROC) and 1e-4 (average precision,
    FPR) of the exact values. A small spread on a large offset does not: N(1000, 2) against
    N(1003, 2) is off by 3e-3 in FPR95, and -0.999999 +- 1e-6 collapses into two cells. Use 32 bits
    for such a score.

    Args:
        keys: Occupied keys, strictly increasing, uint32 of shape (K,).
        known: Known samples of each key, int64 of shape (K,).
        unknown: Unknown samples of each key, int64 of shape (K,).
        bits: Leading bits of the float32 pattern that make up a key.
    """

    keys: np.ndarray
    known: np.ndarray
    unknown: np.ndarray
    bits: int = DEFAULT_BITS

    @classmethod
    def from_scores(
        cls, scores: ArrayLike, unknown_mask: ArrayLike, bits: int = DEFAULT_BITS
    ) -> ScoreHistogram:
        """Count the scores of one image, or of any set of samples.

        Args:
            scores: Anomaly scores of any shape, larger = more unknown; rounded to float32.
            unknown_mask: Truth of the same shape, true where the sample is unknown. Drop ignored
                samples from both before the call.
            bits: Leading bits to keep, 9 (sign and exponent) to 32 (exact).

        Raises:
            InputError: If a score is NaN, infinite or beyond float32, the shapes differ, or
                ``bits`` is out of range.
        """
        if not 9 <= bits <= 32:
            raise InputError(f"bits={bits} is out of range: choose 9 to 32 (32 is exact).")
        values, mask = _to_numpy(scores), _to_numpy(unknown_mask).astype(bool, copy=False)
        if values.shape != mask.shape:
            raise InputError(
                f"scores of shape {values.shape} and unknown mask of shape {mask.shape} differ: "
                "give one truth value for every score."
            )
        keys = _keys_of_scores(values, bits)
        known_keys, known = _count(keys[~mask])
        unknown_keys, unknown = _count(keys[mask])
        return merge_all(
            [
                cls(known_keys, known, np.zeros_like(known), bits),
                cls(unknown_keys, np.zeros_like(unknown), unknown, bits),
            ]
        )

    def merge(self, other: ScoreHistogram) -> ScoreHistogram:
        """Add two histograms exactly; any order of merges gives the same arrays."""
        return merge_all([self, other])

    @property
    def num_known(self) -> int:
        """Number of known samples."""
        return int(self.known.sum())

    @property
    def num_unknown(self) -> int:
        """Number of unknown samples."""
        return int(self.unknown.sum())

    @property
    def thresholds(self) -> np.ndarray:
        """The smallest float32 score of every key, increasing, shape (K,).

        ``score >= thresholds[i]`` selects exactly the samples of the keys ``i`` and above.
        """
        patterns = (self.keys << np.uint32(32 - self.bits)).view(np.int32) ^ _SIGN
        return (patterns ^ ((patterns >> 31) & ~_SIGN)).view(np.float32)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreHistogram):
            return NotImplemented
        return self.bits == other.bits and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("keys", "known", "unknown")
        )

    __hash__ = None


def merge_all(histograms: Sequence[ScoreHistogram]) -> ScoreHistogram:
    """Add histograms exactly, independent of their order.

    Raises:
        InputError: If there is none, or if they keep different numbers of bits.
    """
    widths = sorted({histogram.bits for histogram in histograms})
    if len(widths) != 1:
        raise InputError(f"cannot merge histograms of bits {widths}: one common value is needed.")
    keys = np.concatenate([histogram.keys for histogram in histograms])
    known = np.concatenate([histogram.known for histogram in histograms])
    unknown = np.concatenate([histogram.unknown for histogram in histograms])
    if keys.size == 0:
        return ScoreHistogram(keys, known, unknown, widths[0])
    order = np.argsort(keys, kind="stable")  # merges the runs, which are sorted already
    keys = keys[order]
    starts = _run_starts(keys)
    return ScoreHistogram(
        keys[starts],
        np.add.reduceat(known[order], starts),
        np.add.reduceat(unknown[order], starts),
        widths[0],
    )


def roc_curve(histogram: ScoreHistogram) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False and true positive rate at every threshold, from the highest score downwards.

    Returns:
        ``(fpr, tpr, thresholds)``, each of shape (K + 1,) and in [0, 1]; the first point is
        (0, 0) at threshold infinity. A rate whose class has no sample is NaN.
    """
    false_positives, true_positives = _positives(histogram)
    thresholds = np.append(np.float32(np.inf), histogram.thresholds[::-1])
    fpr = _rate(false_positives, histogram.num_known)
    return fpr, _rate(true_positives, histogram.num_unknown), thresholds


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
    return precision, _rate(true_positives, histogram.num_unknown), thresholds


def auroc(histogram: ScoreHistogram) -> float:
    """Probability that a random unknown scores above a random known sample; ties count half.

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.
    """
    fpr, tpr, _ = roc_curve(histogram)
    return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1])) / 2) if _defined(histogram) else np.nan


def average_precision(histogram: ScoreHistogram) -> float:
    """Step-wise average precision ``sum_n (R_n - R_(n-1)) P_n``, unknown positive (AUPR-Out).

    The definition of scikit-learn and Fishyscapes, not the trapezoid.

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.
    """
    precision, recall, _ = precision_recall_curve(histogram)
    return float(np.sum(np.diff(recall) * precision[1:])) if _defined(histogram) else np.nan


def fpr_at_tpr(histogram: ScoreHistogram, tpr: float = 0.95) -> float:
    """False positive rate at the first threshold whose true positive rate is at least ``tpr``.

    Thresholds go from the highest score downwards; nothing is interpolated (Fishyscapes).

    Args:
        histogram: Scores of known and unknown samples.
        tpr: True positive rate to reach, in (0, 1].

    Returns:
        A value in [0, 1], or NaN when there is no known or no unknown sample.

    Raises:
        InputError: If ``tpr`` is out of range.
    """
    if not 0 < tpr <= 1:
        raise InputError(f"tpr={tpr} is out of range: choose a rate in (0, 1].")
    if not _defined(histogram):
        return np.nan
    false_positive_rate, true_positive_rate, _ = roc_curve(histogram)
    return float(false_positive_rate[np.argmax(true_positive_rate >= tpr)])


def _to_numpy(values: ArrayLike) -> np.ndarray:
    """A NumPy array from an array, a sequence or a tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def _keys_of_scores(scores: np.ndarray, bits: int) -> np.ndarray:
    """Order-preserving uint32 keys of scores of any shape."""
    with np.errstate(over="ignore"):  # an overflow becomes infinite and is refused below
        scores = np.ascontiguousarray(scores, dtype=np.float32)
    finite = np.isfinite(scores)
    if not finite.all():
        raise InputError(
            f"{np.count_nonzero(~finite)} of {scores.size} scores are NaN, infinite or beyond "
            "float32: compute the score in float32 from finite logits."
        )
    patterns = (scores + np.float32(0)).view(np.int32)  # + 0 turns -0.0 into 0.0
    # Negative numbers: invert all bits. Others: set the sign bit.
    keys = (patterns ^ ((patterns >> 31) | _SIGN)).view(np.uint32)
    return keys >> np.uint32(32 - bits)


def _run_starts(ordered: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _count(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys and their counts. One sort; measured faster than np.unique and np.bincount."""
    if keys.size == 0:
        return keys.ravel(), np.zeros(0, np.int64)
    ordered = np.sort(keys, axis=None)
    starts = _run_starts(ordered)
    return ordered[starts], np.diff(starts, append=ordered.size)


def _positives(histogram: ScoreHistogram) -> tuple[np.ndarray, np.ndarray]:
    """Known and unknown samples selected at each threshold, highest first, starting at zero."""
    false_positives = np.append(0, np.cumsum(histogram.known[::-1]))
    true_positives = np.append(0, np.cumsum(histogram.unknown[::-1]))
    return false_positives, true_positives


def _rate(counts: np.ndarray, total: int) -> np.ndarray:
    return counts / total if total else np.full(counts.shape, np.nan)


def _defined(histogram: ScoreHistogram) -> bool:
    return histogram.num_known > 0 and histogram.num_unknown > 0
