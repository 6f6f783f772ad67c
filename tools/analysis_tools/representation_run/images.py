"""The images of an analysis: a reproducible class-balanced draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmosr.apis import Loaded
from mmosr.classification import OpenSetImageClassifier
from mmosr.utils import UNKNOWN, InputError


@dataclass(frozen=True)
class ImageSubset:
    """Images of a data set.

    Args:
        dataset: Returns an image and its annotations by index.
        positions: Indices in the data set, ascending, int64 ``(N,)``.
        labels: Labels of these images, int64 ``(N,)``: known ``0 .. C-1``, or -1.
        available: Number of images per label in the whole data set.
    """

    dataset: Sequence
    positions: np.ndarray
    labels: np.ndarray
    available: dict[int, int]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def known(self) -> np.ndarray:
        """bool ``(N,)``."""
        return self.labels >= 0

    def names(self) -> list[str]:
        """Paths of the images, or their indices if they have none."""
        infos = (self.dataset.get_data_info(int(position)) for position in self.positions)
        pairs = zip(infos, self.positions, strict=True)
        return [str(info.get("img_path", f"#{position}")) for info, position in pairs]

    def load(self, model: OpenSetImageClassifier, indices: Sequence[int]) -> Tensor:
        """Network inputs ``(n, 3, H, W)`` of some of these images, on the device of the model.

        Raises:
            InputError: Their sizes differ.
        """
        images = [self.dataset[int(self.positions[index])]["inputs"] for index in indices]
        sizes = {tuple(image.shape) for image in images}
        if len(sizes) > 1:
            shown = " and ".join(str(size) for size in sorted(sizes)[:2])
            raise InputError(
                f"images of sizes {shown}, but lines between images need one size: add a resize or "
                "a crop to the test pipeline"
            )
        with torch.no_grad():
            return model.data_preprocessor({"inputs": images}, False)["inputs"]


def read_images(
    loaded: Loaded, part: str, maximum: int, seed: int, known_only: bool = False
) -> ImageSubset:
    """Draw images of a part of the config's data, loaded with the steps of the test.

    Args:
        loaded: The model.
        part: ``'test'``, ``'val'`` or ``'train'``.
        maximum: Largest number of images, see :func:`balanced_draw`.
        seed: Seed of the draw.
        known_only: Leave unknown images out.

    Raises:
        InputError: The config has no such data, an image has no label, or one that is not a class
            of the model, or see :func:`balanced_draw`.
    """
    dataset, classes = loaded.dataset(part), loaded.model.known_classes
    labels, groups = _labels(dataset, part, classes)
    usable = np.flatnonzero(labels >= 0) if known_only else np.arange(len(labels))
    drawn = balanced_draw(labels[usable], groups[usable], classes, maximum, seed)
    chosen = usable[drawn]
    return ImageSubset(dataset, chosen, labels[chosen], count_labels(labels))


def balanced_draw(
    labels: np.ndarray, groups: np.ndarray, classes: int, maximum: int, seed: int
) -> np.ndarray:
    """Draw half of the images known and half unknown, each half evenly over its classes.

    A class with fewer images than its part contributes all of them, and no other class makes up for
    it. The draw of a class does not depend on the others. Without unknown images all are known.

    Args:
        labels: Labels ``(N,)``, known or -1.
        groups: Class of each unknown image ``(N,)``, if the data set knows it.
        classes: Number of known classes C.
        maximum: Total number of images, at least four per known class.
        seed: At least 0.

    Returns:
        Indices, ascending.

    Raises:
        InputError: The maximum is too small, or the images have fewer than two known classes.
    """
    if maximum < 4 * classes:
        raise InputError(
            f"{maximum} images are too few for {classes} known classes: use {4 * classes} or more"
        )
    if len(np.unique(labels[labels >= 0])) < 2:
        raise InputError("the data has images of fewer than two known classes")
    unknown = labels < 0
    for_known = maximum // 2 if unknown.any() else maximum
    drawn = [_draw(labels, ~unknown, np.arange(classes), for_known, [seed, 0])]
    if unknown.any():
        kinds = np.unique(groups[unknown])
        drawn.append(_draw(groups, unknown, kinds, maximum - for_known, [seed, 1]))
    return np.sort(np.concatenate(drawn))


def _draw(
    keys: np.ndarray, mask: np.ndarray, kinds: np.ndarray, total: int, seed: list[int]
) -> np.ndarray:
    found = []
    for rank, kind in enumerate(kinds):
        members = np.flatnonzero(mask & (keys == kind))
        share = total // len(kinds) + (rank < total % len(kinds))
        order = np.random.default_rng([*seed, rank]).permutation(members)
        found.append(order[:share])
    return np.concatenate(found)


def _labels(dataset: Sequence, part: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all images, and the class that the data set itself assigns to unknown ones."""
    labels, groups = [], []
    for position in range(len(dataset)):
        info = dataset.get_data_info(position)
        try:
            label = int(info["gt_label"])
        except (KeyError, TypeError, ValueError):
            label = None
        if label is None or not UNKNOWN <= label < classes:
            raise InputError(
                f"{part} data: {info.get('img_path', f'image {position}')} has label "
                f"{info.get('gt_label')}, but the model has the classes 0 to {classes - 1} "
                "(-1 = unknown)"
            )
        own = info.get("class_id")
        labels.append(label)
        groups.append(UNKNOWN if own is None else int(own))
    return np.array(labels, np.int64), np.array(groups, np.int64)


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """Number of images per label."""
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
