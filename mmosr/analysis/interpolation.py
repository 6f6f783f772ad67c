"""Straight lines between images of different classes (m-OvR, figure 3)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from mmosr.utils import InputError


def sample_pairs(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of two known images of different classes, ``count`` times.

    All pairs of classes occur equally often, up to one, in random order and direction; the image of
    each class is drawn anew each time.

    Args:
        labels: Labels ``(N,)``; negative ones are unknown and never drawn.
        count: Number of pairs, at least 0.
        seed: At least 0.

    Returns:
        int64 ``(count, 2)``.

    Raises:
        InputError: There are fewer than two known classes.
    """
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])}
    classes = list(combinations(members, 2))
    if not classes:
        raise InputError("interpolations need images of two known classes or more")
    generator = np.random.default_rng(seed)
    chosen: list[np.ndarray] = []
    while len(chosen) < count:
        chosen.extend(generator.permutation(classes))
    pairs = [generator.permutation(pair) for pair in chosen[:count]]
    found = [[generator.choice(members[label]) for label in pair] for pair in pairs]
    return np.array(found, np.int64).reshape(count, 2)


def interpolate(first: Tensor, second: Tensor, t: Tensor | float) -> Tensor:
    """``x_t = (1 - t) x_0 + t x_1``, exactly the images at t = 0 and 1.

    The paper prints ``(1 - t) x_0 - t x_1``, which is not a line between the two.

    Args:
        first: Images ``(N, ...)``.
        second: Like ``first``.
        t: A number, or ``(N,)``.
    """
    t = torch.as_tensor(t, dtype=first.dtype, device=first.device)
    t = t.reshape(-1, *[1] * (first.dim() - 1))
    return (1 - t) * first + t * second


def path_length(values: np.ndarray) -> np.ndarray:
    """Length of ``f(x_t)`` as a polyline through the steps, eq. 5: at most that of the curve.

    Args:
        values: ``(P, S, D)``: f at the S steps of P paths.

    Returns:
        ``(P,)``.
    """
    return np.linalg.norm(np.diff(values.astype(np.float64), axis=1), axis=2).sum(1)
