"""Finds images that two parts of the data share, whatever their role in the config."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from mmosr.utils.errors import InputError

# Published arrays may contain a picture twice; Barz and Denzler, "Do we train on test data?"
# (2020), count the test images of CIFAR that are also in training, most of them not identical by
# pixel.
SAME_PIXELS = 0.01


def image_identity(item: Mapping) -> str | bytes:
    """The identity of an image: its file, or a hash of its pixels if the data set holds it itself.

    Args:
        item: Item of a data set, with ``img_path`` or ``img``.

    Returns:
        The absolute path with links resolved, or the SHA-256.
    """
    path = item.get("img_path")
    if path is None:
        return hashlib.sha256(np.ascontiguousarray(item["img"])).digest()
    path = str(path)
    if "://" in path:
        return path
    folder, name = os.path.split(path)
    path = os.path.join(_real_folder(folder), name)
    return os.path.realpath(path) if os.path.islink(path) else path


def check_apart(images: Mapping[str, Sequence[str | bytes]]) -> None:
    """Check that no two parts of the data contain the same image.

    Pictures without a file may share up to 1 % of the smaller part, for the published data sets
    may hold some of them twice.

    Args:
        images: Per part (``train``, ``val`` or ``test``), what :func:`image_identity` returns.

    Raises:
        InputError: Two parts share images; names the parts, the number and one image.
    """
    for (one, first), (other, second) in itertools.combinations(images.items(), 2):
        shared = set(first) & set(second)
        pixels = sum(isinstance(image, bytes) for image in shared)
        if pixels <= SAME_PIXELS * min(len(first), len(second)):
            shared = {image for image in shared if isinstance(image, str)}
        if not shared:
            continue
        number = next(number for number, image in enumerate(second) if image in shared)
        image = second[number]
        example = image if isinstance(image, str) else f"number {number} of the {other} images"
        fix = "data_root, data_prefix and ann_file"
        if "test" not in (one, other):
            fix += ", and use the same val_fraction and val_seed in both"
        raise InputError(
            f"the {one} and {other} data share {len(shared)} images, such as {example}: an image "
            f"belongs to one of training, validation and test; check their {fix}"
        )


@cache
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
