"""Measurements of a model on images: embeddings, Jacobian norms, class centres."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mmosr.analysis import exact_squared_norm, hutchinson_squared_norm, interpolate
from mmosr.analysis.jacobian import NormEstimate
from mmosr.analysis.spaces import input_scale, space_and_logits, space_function
from mmosr.classification import OpenSetImageClassifier
from mmosr.runs.batches import cut
from mmosr.runs.journal import Journal
from mmosr.runs.progress import progress
from mmosr.utils import InputError

from .images import ImageSubset
from .settings import Settings


@torch.no_grad()
def embed_images(
    model: OpenSetImageClassifier, images: ImageSubset, settings: Settings, what: str = "embed"
) -> tuple[np.ndarray, np.ndarray]:
    """Representation ``(N, D)`` float32 and predicted labels ``(N,)`` of images.

    Raises:
        InputError: A value is not finite.
    """
    found = []
    for batch in progress(cut(range(len(images)), settings.batch_size), what, "batches"):
        values, logits = space_and_logits(model, settings.space, images.load(model, batch))
        found.append((values.cpu().numpy(), logits.argmax(1).cpu().numpy()))
    values, predicted = (np.concatenate(part) for part in zip(*found, strict=True))
    bad = ~np.isfinite(values).all(1)
    if bad.any():
        raise InputError(
            f"the {settings.space} of {bad.sum()} of {len(bad)} images is not finite: has the "
            "training diverged?"
        )
    return values, predicted


def class_centres(
    values: np.ndarray, predicted: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[np.ndarray, list[int]]:
    """Mean ``(C, D)`` of the correctly classified images of each class (CAC, section 3.1.2).

    Returns:
        The means, and the classes without correctly classified images, where all are averaged.

    Raises:
        InputError: A class has no images.
    """
    centres, wrong = [], []
    for label in range(classes):
        own = labels == label
        if not own.any():
            raise InputError(f"class {label} has no images to compute its centre from")
        if (own & (predicted == label)).any():
            own &= predicted == label
        else:
            wrong.append(label)
        centres.append(values[own].astype(np.float64).mean(0))
    return np.stack(centres), wrong


def image_norms(
    model: OpenSetImageClassifier, images: ImageSubset, settings: Settings, journal: Journal
) -> NormEstimate:
    """Squared Jacobian norm at each image ``(N,)``; those in the journal are not recomputed."""
    keys = [f"image {position}" for position in images.positions]
    seeds = [probe_seed(settings.seed, 0, int(position)) for position in images.positions]
    return _measure(
        model, settings, journal, keys, seeds, partial(images.load, model), "Jacobian norm"
    )


def path_norms(
    model: OpenSetImageClassifier,
    images: ImageSubset,
    pairs: np.ndarray,
    steps: np.ndarray,
    settings: Settings,
    journal: Journal,
) -> NormEstimate:
    """Squared Jacobian norm between the images of pairs, ``(P, S)``.

    Args:
        model: The model, in evaluation mode.
        images: Images that contain the ends.
        pairs: Indices in ``images``, ``(P, 2)``.
        steps: Values of t, ``(S,)``.
        settings: The same as for the images.
        journal: Keeps what is done.
    """
    points = [(pair, step) for pair in range(len(pairs)) for step in range(len(steps))]
    keys = [f"path {pair} {step}" for pair, step in points]
    seeds = [probe_seed(settings.seed, 1, *point) for point in points]

    def load(batch: Sequence[int]) -> Tensor:
        chosen = [points[index] for index in batch]
        return points_between(model, images, pairs, steps, chosen)

    found = _measure(model, settings, journal, keys, seeds, load, "interpolations")
    shape = (len(pairs), len(steps))
    return NormEstimate(found.value.reshape(shape), found.error.reshape(shape))


@torch.no_grad()
def path_values(
    model: OpenSetImageClassifier,
    images: ImageSubset,
    pairs: np.ndarray,
    steps: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """The representation along the paths, ``(P, S, D)``."""
    points = [(pair, step) for pair in range(len(pairs)) for step in range(len(steps))]
    found = [
        space_and_logits(model, settings.space, points_between(model, images, pairs, steps, batch))[
            0
        ]
        for batch in cut(points, settings.batch_size)
    ]
    return torch.cat(found).reshape(len(pairs), len(steps), -1).cpu().numpy()


def points_between(
    model: OpenSetImageClassifier,
    images: ImageSubset,
    pairs: np.ndarray,
    steps: np.ndarray,
    points: Iterable[tuple[int, int]],
) -> Tensor:
    """Network inputs at points ``(pair, step)`` of the lines between images."""
    pair, step = np.array(list(points)).T
    ends = np.unique(pairs[pair])
    inputs = images.load(model, ends)
    first, second = (inputs[np.searchsorted(ends, pairs[pair, side])] for side in (0, 1))
    return interpolate(first, second, torch.from_numpy(steps[step]))


def probe_seed(seed: int, *key: int) -> int:
    """Seed of the probes of one image or point, so that they depend on nothing else."""
    return int(np.random.default_rng([seed, *key]).integers(2**62))


def _measure(
    model: OpenSetImageClassifier,
    settings: Settings,
    journal: Journal,
    keys: Sequence[str],
    seeds: Sequence[int],
    load: Callable[[Sequence[int]], Tensor],
    what: str,
) -> NormEstimate:
    """Compute what is not yet in the journal, a batch at a time, and return its values."""
    function = space_function(model, settings.space)
    scale = input_scale(model, settings.units)
    done = {key for key, *_ in journal.lines}
    missing = [index for index, key in enumerate(keys) if key not in done]
    for batch in progress(cut(missing, settings.batch_size), what, "batches"):
        inputs = load(batch)
        if settings.probes is None:
            found = exact_squared_norm(function, inputs, scale)
        else:
            own = [seeds[index] for index in batch]
            found = hutchinson_squared_norm(function, inputs, own, settings.probes, scale)
        rows = torch.stack([found.value, found.error], 1).cpu()
        names = [keys[index] for index in batch]
        for name, row in zip(names, rows, strict=True):
            if not torch.isfinite(row).all():
                raise InputError(f"the Jacobian norm at {name} is not finite")
        journal.add([name, *row] for name, row in zip(names, rows.tolist(), strict=True))
    measured = {key: values for key, *values in journal.lines}
    rows = torch.tensor([measured[key] for key in keys], dtype=torch.float64).reshape(-1, 2)
    return NormEstimate(rows[:, 0], rows[:, 1])
