"""How well classes are separated: figures of embeddings ``(N, D)`` and of distances ``(N,)``."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics import davies_bouldin_score

from mmosr.utils import InputError

_BLOCK = 512  # rows of the distance matrix at a time


def davies_bouldin(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Davies-Bouldin index of known images (m-OvR, section IV-A); smaller = better separated.

    ``1/C sum_i max_{j != i} (s_i + s_j) / m_ij``, s the mean distance of a class to its mean, m
    between the means: scikit-learn's. Infinite if two classes have the same mean, as when a
    network's features have collapsed: scikit-learn leaves such a pair out, and returns 0, the best
    value, if there is no other.

    Args:
        embedding: Embeddings ``(N, D)`` of known images.
        labels: Labels ``(N,)``, at least two different ones, and fewer than N.
    """
    # Means of equal rows may differ in their last digits.
    if _between_means(embedding, labels).min() <= 1e-12 * np.abs(embedding).max():
        return math.inf
    return float(davies_bouldin_score(embedding.astype(np.float64), labels))


def inter_class_distance(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Mean Euclidean distance ``|f(x) - f(x')|`` of images of different classes.

    The mean is taken over all pairs of images of two classes, then over the pairs of classes, so
    that each class counts equally. m-OvR, figure 4b, does not say which mean it takes.

    Args:
        embedding: Embeddings ``(N, D)`` of known images.
        labels: Labels ``(N,)``, at least two different ones.
    """
    _need_classes(labels)
    embedding = embedding.astype(np.float64)
    classes, index = np.unique(labels, return_inverse=True)
    member = np.eye(len(classes))[index]
    totals = np.zeros((len(classes), len(classes)))
    for start in range(0, len(embedding), _BLOCK):
        rows = slice(start, start + _BLOCK)
        totals += member[rows].T @ (cdist(embedding[rows], embedding) @ member)
    means = totals / np.outer(member.sum(0), member.sum(0))
    return float(means[~np.eye(len(classes), dtype=bool)].mean())


def intra_class_distance(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Mean Euclidean distance of images to their class mean; then the mean over the classes."""
    found = []
    for label in np.unique(labels):
        own = embedding[labels == label].astype(np.float64)
        found.append(np.linalg.norm(own - own.mean(0), axis=1).mean())
    return float(np.mean(found))


def class_mean_distance(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Mean Euclidean distance between the means of two classes, over all pairs of classes."""
    return float(_between_means(embedding, labels).mean())


def nearest_centre(embedding: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distance to the closest of ``(C, D)`` centres and its index, each ``(N,)``."""
    distances = cdist(embedding.astype(np.float64), centres.astype(np.float64))
    return distances.min(1), distances.argmin(1)


def bhattacharyya_coefficient(
    first: np.ndarray, second: np.ndarray, bins: int | None = None
) -> float:
    """Overlap ``sum_b sqrt(p_b q_b)`` of two samples; 1 = equal, 0 = disjoint (CAC, table 2).

    p and q are the shares of the samples in bins that hold equal parts of the two together, each
    sample with half of the weight. The coefficient of the densities is invariant under any
    increasing function of the values, and so are these bins: neither units nor outliers matter. CAC
    does not say how it bins.

    Args:
        first: Values ``(N,)``, such as distances of known images.
        second: Values ``(M,)``.
        bins: Number of bins, even, at least 2; default: :func:`default_bins`.

    Raises:
        InputError: A sample is empty, values are not finite, or the number of bins is invalid.
    """
    first, second = (np.asarray(values, np.float64) for values in (first, second))
    if not first.size or not second.size:
        raise InputError("an overlap of distributions needs values of both")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("an overlap of distributions needs finite values")
    bins = default_bins(len(first), len(second)) if bins is None else bins
    if bins < 2 or bins % 2:
        raise InputError(f"{bins} bins: the number must be even, and at least 2")
    edges = _equal_parts(first, second, bins)
    shares = [
        np.bincount(np.searchsorted(edges, values, "right"), minlength=bins) / len(values)
        for values in (first, second)
    ]
    return float(np.sqrt(shares[0] * shares[1]).sum())


def default_bins(first: int, second: int) -> int:
    """The largest even number not above the root of the smaller sample size, at least 2."""
    return max(2, math.isqrt(min(first, second)) // 2 * 2)


def sampling_loss(first: int, second: int, bins: int) -> float:
    """How far the coefficient of two samples of one distribution is below 1, to first order."""
    return (bins - 1) / 8 * (1 / first + 1 / second)


def _equal_parts(first: np.ndarray, second: np.ndarray, bins: int) -> np.ndarray:
    """Inner edges of the bins, half-way between neighbouring values; fewer if values tie."""
    values = np.concatenate([first, second])
    # Whole numbers, so that two samples without overlap are cut exactly between them.
    weights = np.repeat([len(second), len(first)], [len(first), len(second)])
    order = np.argsort(values, kind="stable")
    values, mass = values[order], np.cumsum(weights[order])
    wanted = mass[-1] * np.arange(1, bins)
    below = np.searchsorted(mass * bins, wanted)
    return np.unique((values[below] + values[np.minimum(below + 1, len(values) - 1)]) / 2)


def _between_means(embedding: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distances between the means of the classes, one per pair."""
    _need_classes(labels)
    means = [embedding[labels == label].astype(np.float64).mean(0) for label in np.unique(labels)]
    return pdist(np.stack(means))


def _need_classes(labels: np.ndarray) -> None:
    if len(np.unique(labels)) < 2:
        raise InputError("distances between classes need images of two known classes or more")
