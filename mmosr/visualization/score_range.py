"""Exact percentiles of many score maps that do not fit into memory together.

A float32 is ordered like an unsigned integer once its sign is folded in. Two streamed histograms,
of the upper 16 bits and then of the lower 16 bits inside the selected bins, give exact order
statistics in constant memory, whatever the spread of the scores and the order of the maps. A
histogram with equal bins between the extremes would put a heavy-tailed score into one bin.
"""

from collections.abc import Callable, Iterable

import numpy as np

from mmosr.utils import InputError

_BINS = 1 << 16
_SIGN = np.uint32(1 << 31)


def score_range(
    maps: Callable[[], Iterable[np.ndarray]], percentiles: tuple[float, float] = (1.0, 99.0)
) -> tuple[float, float]:
    """Percentiles over all finite pixels of all maps.

    Percentile ``p`` is the smallest score that at least ``p`` percent of the pixels do not exceed,
    as ``numpy.percentile(..., method='inverted_cdf')``; 0 and 100 are the exact extremes.

    Args:
        maps: Called twice; each time gives all float32 score maps, in any order.
        percentiles: Lower and upper percentile in [0, 100].

    Returns:
        The two scores.

    Raises:
        InputError: No pixel has a finite score.
    """
    upper = np.zeros(_BINS, np.int64)
    for score in maps():
        upper += np.bincount(_keys(score) >> np.uint32(16), minlength=_BINS)
    count = int(upper.sum())
    if count == 0:
        raise InputError("no pixel has a finite score: there is no colour range; give --range")
    ranks = [max(int(np.ceil(count * p / 100)), 1) for p in percentiles]
    cumulative = np.cumsum(upper)
    bins = [int(np.searchsorted(cumulative, rank)) for rank in ranks]
    lower = _lower_histograms(maps(), bins)
    low, high = (
        _select(lower[index], rank - int(cumulative[index] - upper[index]), index)
        for rank, index in zip(ranks, bins, strict=True)
    )
    return low, high


def _keys(score: np.ndarray) -> np.ndarray:
    """Finite scores as unsigned integers of the same order."""
    score = score[np.isfinite(score)].astype(np.float32)
    bits = (score + np.float32(0)).view(np.uint32)  # adding zero turns -0.0 into 0.0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _lower_histograms(maps: Iterable[np.ndarray], bins: list[int]) -> dict[int, np.ndarray]:
    counts = {index: np.zeros(_BINS, np.int64) for index in bins}
    for score in maps:
        keys = _keys(score)
        for index, histogram in counts.items():
            inside = keys[(keys >> np.uint32(16)) == index] & np.uint32(0xFFFF)
            histogram += np.bincount(inside, minlength=_BINS)
    return counts


def _select(histogram: np.ndarray, rank: int, upper: int) -> float:
    """Score of the ``rank``-th (from 1) key inside the bin ``upper``."""
    key = np.uint32((upper << 16) | int(np.searchsorted(np.cumsum(histogram), rank)))
    bits = key ^ _SIGN if key & _SIGN else ~key
    return float(np.asarray(bits, np.uint32).view(np.float32))
