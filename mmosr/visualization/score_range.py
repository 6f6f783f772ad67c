"""Exact percentiles of many score maps that do not fit into memory together."""

from collections.abc import Callable, Iterable

import numpy as np

from mmosr.evaluation.histogram import MAX_BITS, MAX_CELLS, ScoreHistogram, merge_all
from mmosr.utils import InputError


def score_range(
    maps: Callable[[], Iterable[np.ndarray]], percentiles: tuple[float, float] = (1.0, 99.0)
) -> tuple[float, float]:
    """Percentiles over all finite pixels of all maps, in bounded memory.

    Percentile ``p`` is the smallest score that at least ``p`` percent of the pixels do not exceed,
    like ``numpy.percentile(..., method='inverted_cdf')``; 0 and 100 are the exact extremes.

    Args:
        maps: Called once or twice; each time returns all float32 score maps, in any order.
        percentiles: Lower and upper percentile in [0, 100].

    Returns:
        The two scores.

    Raises:
        InputError: No pixel has a finite score.
    """
    pooled = merge_all(_count(score) for score in maps())
    if not pooled.keys.size:
        raise InputError("no pixel has a finite score, so there is no colour range: set --range")
    found = pooled.percentiles(percentiles)
    if pooled.bits == MAX_BITS:
        return found
    # The cell of each percentile is known. Scores outside may be moved to its ends: the ranks stay,
    # and the scores inside are few enough to be counted individually.
    ends = np.append(pooled.thresholds, np.float32(np.inf))
    cells = [ends[place : place + 2] for place in np.searchsorted(ends, np.float32(found))]
    exact = [merge_all([])] * len(cells)
    for score in maps():
        parts = [_count(score, cell, None) for cell in cells]
        exact = [one.merge(part, None) for one, part in zip(exact, parts, strict=True)]
    return tuple(
        one.percentiles([percent])[0] for one, percent in zip(exact, percentiles, strict=True)
    )


def _count(
    score: np.ndarray, limits: np.ndarray | None = None, max_cells: int | None = MAX_CELLS
) -> ScoreHistogram:
    """Count the finite scores, clipped to ``limits``."""
    score = score[np.isfinite(score)].astype(np.float32, copy=False)
    if limits is not None:
        score = score.clip(*limits)
    return ScoreHistogram.from_scores(score, np.zeros(score.shape, bool), max_cells)
