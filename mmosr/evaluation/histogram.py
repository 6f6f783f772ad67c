"""Sparse score histograms that add up exactly, in any order, in bounded memory.

A score is reduced, chunk by chunk and image by image, to counts of known and unknown samples per
cell of float32 scores. The score is never squashed, clamped or rescaled.

This module only needs NumPy; PyTorch tensors are accepted where they are used.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmosr.utils import InputError

if TYPE_CHECKING:
    import torch

    ArrayLike = np.ndarray | torch.Tensor | Sequence

MAX_CELLS = 2**18  # 5 MiB of arrays; measured with tools/analysis_tools/benchmark_curves.py
MIN_BITS = 9  # sign and exponent: finite float32 scores occupy fewer than 2^9 such keys
MAX_BITS = 32
CHUNK = 2**21  # samples at a time

_SIGN = np.int32(np.iinfo(np.int32).min)


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """Counts of known and unknown samples for every occupied score.

    The key of a score is its float32 bit pattern, mapped so that integer order is the order of the
    scores, cut to the leading ``bits`` bits. Scores with one key are tied. ``bits=32`` is exact
    for float32; at ``bits=b`` two scores of the same sign tie if they lie in one cell of
    **relative** width ``2^(9-b)``.

    ``bits`` follows from the samples: the largest ``b`` in 9..32 for which at most ``max_cells``
    keys are occupied. A score of few distinct values, such as a small spread on a large offset,
    therefore stays exact. 20 million samples of N(0, 1) keep 22 bits at the default, which moves
    AUROC by less than 1e-6 and average precision and FPR95 by less than 1e-4;
    :func:`mmosr.evaluation.curves.bounds` returns the most that the cells can change.

    Why order, chunks and merges cannot matter: let ``n_b(S)`` be the number of ``b``-bit keys that
    the samples ``S`` occupy. It grows with ``b``, so ``bits(S) = max{b: n_b(S) <= max_cells}``; and
    it grows with ``S``, so a part ``T`` of ``S`` has ``bits(T) >= bits(S)``: a part is never
    coarser than the union. So all the ``n_b(S)`` with ``b <= min bits(T)``, among them that of
    ``bits(S)``, and all counts at ``bits(S)`` can be read from the parts, and cutting the added
    parts until they fit gives exactly the histogram of all samples at once. Use one value of
    ``max_cells`` for all parts.

    Args:
        keys: Occupied keys, strictly increasing, uint32 of shape (K,).
        known: Known samples of each key, int64 of shape (K,).
        unknown: Unknown samples of each key, int64 of shape (K,).
        bits: Leading bits of the float32 pattern that make up a key, 9 to 32 (exact).
    """

    keys: np.ndarray
    known: np.ndarray
    unknown: np.ndarray
    bits: int = MAX_BITS

    @classmethod
    def from_scores(
        cls, scores: ArrayLike, unknown_mask: ArrayLike, max_cells: int | None = MAX_CELLS
    ) -> ScoreHistogram:
        """Count the scores of one image, or of any set of samples, in constant memory.

        Args:
            scores: Anomaly scores of any shape, larger = more unknown; rounded to float32. A
                tensor on an accelerator is counted there.
            unknown_mask: Truth of the same shape, true where the sample is unknown. Drop ignored
                samples from both before the call.
            max_cells: Largest number of occupied keys, at least 512; None keeps all (exact).

        Raises:
            InputError: If a score is NaN, infinite or beyond float32, the shapes differ, or
                ``max_cells`` is too small.
        """
        scores, unknown_mask = _same_kind(scores, unknown_mask)
        if scores.shape != unknown_mask.shape:
            raise InputError(
                f"scores of shape {tuple(scores.shape)} and unknown mask of shape "
                f"{tuple(unknown_mask.shape)} differ: give one truth value for every score."
            )
        scores, unknown_mask = scores.reshape(-1), unknown_mask.reshape(-1)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(scores), CHUNK)]
        bad = sum(_count_non_finite(_float32(scores[chunk])) for chunk in chunks)
        if bad:
            raise InputError(
                f"{bad} of {len(scores)} scores are NaN, infinite or beyond float32: compute the "
                "score in float32 from finite logits."
            )
        return merge_all(
            (_count(_float32(scores[chunk]), unknown_mask[chunk], max_cells) for chunk in chunks),
            max_cells,
        )

    def merge(self, other: ScoreHistogram, max_cells: int | None = MAX_CELLS) -> ScoreHistogram:
        """Add two histograms exactly; any order of merges gives the same arrays."""
        return merge_all([self, other], max_cells)

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
        patterns = (self.keys << np.uint32(MAX_BITS - self.bits)).view(np.int32) ^ _SIGN
        return (patterns ^ ((patterns >> 31) & ~_SIGN)).view(np.float32)

    def percentiles(self, percents: Sequence[float]) -> tuple[float, ...]:
        """Smallest scores that at least so many percent of the samples do not exceed.

        As ``numpy.percentile(..., method='inverted_cdf')``, rounded down to the smallest score of a
        cell; exact at ``bits=32``.

        Args:
            percents: In [0, 100]; there must be a sample.
        """
        samples = np.cumsum(self.known + self.unknown)
        ranks = [max(1, math.ceil(samples[-1] * percent / 100)) for percent in percents]
        return tuple(self.thresholds[np.searchsorted(samples, ranks)].tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreHistogram):
            return NotImplemented
        return self.bits == other.bits and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("keys", "known", "unknown")
        )

    __hash__ = None


def merge_all(
    histograms: Iterable[ScoreHistogram], max_cells: int | None = MAX_CELLS
) -> ScoreHistogram:
    """Add histograms exactly, independent of their order, in bounded memory.

    Args:
        histograms: Any number of histograms, or a generator; without any the result is empty.
        max_cells: Largest number of occupied keys, the same as for the parts.

    Raises:
        InputError: If ``max_cells`` is too small.
    """
    if max_cells is not None and max_cells < 2**MIN_BITS:
        raise InputError(f"max_cells={max_cells} is too small: choose at least {2**MIN_BITS}.")
    waiting, cells = [], 0
    for histogram in histograms:
        waiting.append(histogram)
        cells += histogram.keys.size
        if max_cells is not None and cells > max_cells:  # small ones wait for others
            waiting = [_add(waiting, max_cells)]
            cells = waiting[0].keys.size
    return _add(waiting, max_cells)


def _add(parts: Sequence[ScoreHistogram], max_cells: int | None) -> ScoreHistogram:
    bits = min((part.bits for part in parts), default=MAX_BITS)
    keys = _join([part.keys >> np.uint32(part.bits - bits) for part in parts], np.uint32)
    order = np.argsort(keys, kind="stable")  # merges the runs, which are sorted already
    keys, starts, level = _cut(keys[order], bits, max_cells)
    counts = []
    for kind in ("known", "unknown"):
        samples = _join([getattr(part, kind) for part in parts], np.int64)
        counts.append(np.add.reduceat(samples[order], starts) if starts.size else samples)
    return ScoreHistogram(keys, *counts, level)


def _join(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays])


def _level(occupied: Callable[[int], int], bits: int, max_cells: int | None) -> int:
    """The largest level up to ``bits`` that occupies at most ``max_cells`` keys."""
    if max_cells is None:
        return bits
    return MIN_BITS - 1 + bisect_right(range(MIN_BITS, bits + 1), max_cells, key=occupied)


def _cut(
    ordered: np.ndarray, bits: int, max_cells: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut ordered keys of ``bits`` bits until they fit: distinct keys, their starts, their bits."""
    if ordered.size == 0:
        return ordered, np.zeros(0, np.int64), MAX_BITS
    # Two neighbours have the same key at a level where they differ only in lower bits.
    steps = ordered[1:] ^ ordered[:-1]

    def apart(level: int) -> np.ndarray:
        return steps >= np.uint32(1 << (bits - level))

    level = _level(lambda level: 1 + np.count_nonzero(apart(level)), bits, max_cells)
    starts = np.append(0, np.flatnonzero(apart(level)) + 1)
    return ordered[starts] >> np.uint32(bits - level), starts, level


def count_numpy(scores: np.ndarray, unknown: np.ndarray, max_cells: int | None) -> ScoreHistogram:
    """The histogram of finite float32 scores of shape (N,) and their truth, bool (N,)."""
    patterns = (scores + np.float32(0)).view(np.int32)  # + 0 turns -0.0 into 0.0
    # Negative numbers: invert all bits. Others: set the sign bit.
    patterns ^= (patterns >> 31) | _SIGN
    keys = patterns.view(np.uint32)
    ordered_unknown = np.sort(keys[unknown])
    keys.sort()
    cells, starts, bits = _cut(keys, MAX_BITS, max_cells)
    known = np.diff(starts, append=keys.size)
    unknown_cells, unknown_starts, _ = _cut(
        ordered_unknown >> np.uint32(MAX_BITS - bits), bits, None
    )
    counts = np.zeros_like(known)
    counts[np.searchsorted(cells, unknown_cells)] = np.diff(
        unknown_starts, append=ordered_unknown.size
    )
    known -= counts
    return ScoreHistogram(cells, known, counts, bits)


def count_torch(
    scores: torch.Tensor, unknown: torch.Tensor, max_cells: int | None
) -> ScoreHistogram:
    """As :func:`count_numpy`, on the device of the tensors; only the counts leave it."""
    import torch

    if len(scores) == 0:
        return merge_all([])
    patterns = (scores + 0).view(torch.int32)
    keys = patterns ^ ((patterns >> 31) & 0x7FFFFFFF)  # in the order of signed integers
    ordered = keys.sort().values
    steps = ordered[1:] ^ ordered[:-1]
    bits = _level(
        lambda level: 1 + int(torch.count_nonzero(steps >> (MAX_BITS - level))),
        MAX_BITS,
        max_cells,
    )
    shift = MAX_BITS - bits
    cells, known = torch.unique_consecutive(ordered >> shift, return_counts=True)
    unknown_cells, unknown_counts = torch.unique_consecutive(
        keys[unknown].sort().values >> shift, return_counts=True
    )
    counts = torch.zeros_like(known)
    counts[torch.searchsorted(cells, unknown_cells)] = unknown_counts
    # From signed keys to unsigned ones.
    keys = (cells.cpu().numpy().astype(np.int64) + (1 << (bits - 1))).astype(np.uint32)
    return ScoreHistogram(keys, (known - counts).cpu().numpy(), counts.cpu().numpy(), bits)


def _same_kind(
    scores: ArrayLike, mask: ArrayLike
) -> tuple[np.ndarray, np.ndarray] | tuple[torch.Tensor, torch.Tensor]:
    """Two arrays, or two tensors on the device of the scores."""
    if hasattr(scores, "detach"):
        import torch

        return scores.detach(), torch.as_tensor(mask, device=scores.device)
    if hasattr(mask, "detach"):
        mask = mask.detach().cpu()
    return np.asarray(scores), np.asarray(mask)


def _float32(values: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """Float32 values, as an array unless they are on an accelerator."""
    if isinstance(values, np.ndarray):
        with np.errstate(over="ignore"):  # an overflow becomes infinite and is refused
            return values.astype(np.float32, copy=False)
    values = values.float()
    return values.numpy() if values.device.type == "cpu" else values


def _count_non_finite(values: np.ndarray | torch.Tensor) -> int:
    if isinstance(values, np.ndarray):
        return values.size - np.count_nonzero(np.isfinite(values))
    return int((~values.isfinite()).sum())


def _count(
    scores: np.ndarray | torch.Tensor, unknown: np.ndarray | torch.Tensor, max_cells: int | None
) -> ScoreHistogram:
    if isinstance(scores, np.ndarray):
        return count_numpy(scores, np.asarray(unknown).astype(bool, copy=False), max_cells)
    return count_torch(scores, unknown.bool(), max_cells)
