"""OpenMax by scipy, step by step as in the authors' code."""

import numpy as np
import torch
from scipy.optimize import fmin
from scipy.spatial.distance import cosine, euclidean
from scipy.stats import weibull_min

KINDS = {
    "euclidean": euclidean,
    "cosine": cosine,
    "eucos": lambda a, b: euclidean(a, b) / 200 + cosine(a, b),
}


def restated_models(rows, labels, tail_size, kind, translation) -> list[tuple]:
    """Mean, start of the tail, shape and scale of each class, by scipy."""
    models = []
    for label in range(rows.shape[1]):
        own = rows[(labels == label) & (rows.argmax(1) == label)]
        mean = own.mean(0)
        tail = np.sort([KINDS[kind](row, mean) for row in own])[-tail_size:]
        shifted = tail - tail.min() + translation
        # A good start: around a large value the simplex search of scipy moves nothing else.
        guess = np.pi / np.sqrt(6) / np.log(shifted).std()
        shape, _, scale = weibull_min.fit(
            shifted, guess, floc=0, scale=shifted.mean(), optimizer=precise
        )
        models.append((mean, tail.min(), shape, scale))
    return models


def precise(function, start, args=(), disp=0):
    """scipy's search without its wide tolerance."""
    with np.errstate(over="ignore"):
        return fmin(function, start, args, xtol=1e-12, ftol=1e-12, maxiter=4000, disp=False)


def restated(row, models, alpha, kind, translation) -> np.ndarray:
    """Revised logits and that of unknown, step by step as in the authors' code."""
    revised, unknown = row.copy(), 0.0
    for index, label in enumerate(np.argsort(-row, kind="stable")[:alpha]):
        mean, start, shape, scale = models[label]
        shifted = KINDS[kind](row, mean) - start + translation
        outlier = weibull_min.cdf(shifted, shape, scale=scale)
        revised[label] = row[label] * (1 - outlier * (alpha - index) / alpha)
        unknown += row[label] - revised[label]
    return np.append(revised, unknown)


def two_classes(seed: int, size: int, shape: float, scale: float, start: float) -> tuple:
    """Rows (20, +-d) and (+-d, 20) with d - start + translation Weibull distributed."""
    rng = np.random.default_rng(seed)
    far = np.sort(scale * rng.weibull(shape, size)) + start
    off = np.concatenate([far, -far])
    top = np.full_like(off, 20.0)
    rows = np.concatenate([np.stack([top, off], 1), np.stack([off, top], 1)])
    return torch.tensor(rows).float(), torch.arange(2).repeat_interleave(2 * size), far
