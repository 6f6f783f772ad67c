"""Reproducible samples of images: a validation share, and a given number of images."""

from __future__ import annotations

import numpy as np

from mmosr.utils import InputError


def validation_share(labels: np.ndarray, fraction: float, seed: int = 0) -> np.ndarray:
    """Mark the images that are kept out of training, for choosing a threshold.

    From each class, ``round(fraction * n)`` of its ``n`` images, at least one. The draw of a class
    depends only on the seed, its id and the number of its images, so it is the same whatever other
    classes are known. A larger fraction marks all images of a smaller one and more.

    Args:
        labels: Class ids, shape (N,), not negative.
        fraction: Share in (0, 1).
        seed: At least 0.

    Returns:
        bool of shape (N,): True for validation, False for training.

    Raises:
        InputError: A fraction or seed is out of range, or a class would have no images left to
            train on.
    """
    if not 0 < fraction < 1:
        raise InputError(f"validation share {fraction} is out of range: choose a share in (0, 1)")
    _check_seed(seed)
    marked = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(own)))
        if count == len(own):
            raise InputError(
                f"class {label} has {len(own)} training images: a validation share of {fraction} "
                "leaves none to train on; choose a smaller share"
            )
        draw = np.random.default_rng([seed, int(label)]).permutation(own)
        marked[draw[:count]] = True
    return marked


def sample_images(total: int, num: int, seed: int = 0) -> np.ndarray:
    """Positions of ``num`` of ``total`` images, drawn without replacement.

    Args:
        total: Number of images.
        num: How many to draw, 1 to ``total``.
        seed: At least 0.

    Returns:
        int64 of shape (num,), ascending.

    Raises:
        InputError: ``num`` or the seed is out of range.
    """
    _check_seed(seed)
    if not 1 <= num <= total:
        raise InputError(f"{num} of {total} images cannot be drawn: choose 1 to {total}")
    return np.sort(np.random.default_rng(seed).choice(total, num, replace=False))


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise InputError(f"seed {seed} is negative: give 0 or more")
