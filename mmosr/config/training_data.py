"""Training and validation data that show what only a test may show, found in the config."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmosr.utils.errors import InputError

from .loading import named_dicts
from .types import bare_name

# Data sets of unknown images, which have no other role.
TEST_ONLY = ("OpenSetTestData", "UnknownImages", "NoiseImages")
OPEN_SET, FOLDERS = "OpenSetClassificationDataset", "CustomDataset"
HINT = "mmosr.OpenSetClassificationDataset with role='{}', see docs/image_data.md"


def check_training_data(cfg: Mapping[str, Any]) -> None:
    """Check that no part of the training data is a test, however deep wrappers hide it.

    The images may all be of known classes: test images in training make any figure worthless.

    Args:
        cfg: The whole config.

    Raises:
        InputError: Naming the part of ``train_dataloader`` that has ``role='test'`` or is of
            unknown images.
    """
    _check(cfg, "train", "training must not see the test")


def check_threshold_data(cfg: Mapping[str, Any]) -> None:
    """The same for validation data from which the threshold of a test is taken.

    Raises:
        InputError: Naming the part of ``val_dataloader``.
    """
    _check(cfg, "val", "a threshold must not be chosen on the test")


def check_folders(cfg: Mapping[str, Any]) -> None:
    """Check that training does not read the folder that the test reads, whatever the roles.

    Of image folders the config alone says which is the test; other hosts choose their files by the
    role. Nothing is read from the disk: see :func:`~mmosr.datasets.shared_images.check_apart` for
    images that two folders share.

    Args:
        cfg: The whole config.

    Raises:
        InputError: Naming the parts of ``train_dataloader`` and ``test_dataloader``.
    """
    read = {place: name for name, place in _folders(cfg, "test", ("test",))}
    for name, place in _folders(cfg, "train", ("train", "val")):
        if place in read:
            raise InputError(
                f"{name} reads the images of {read[place]}, {place[0]}: training must not see the "
                "test; check data_root, data_prefix and ann_file"
            )


def _folders(
    cfg: Mapping[str, Any], part: str, roles: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Names of the data sets of image folders with such a role; folder and list of images."""
    loader = cfg.get(f"{part}_dataloader") or {}
    for name, data in named_dicts(loader.get("dataset"), f"{part}_dataloader.dataset"):
        if data.get("role") not in roles or bare_name(data.get("type")) != OPEN_SET:
            continue
        if bare_name(data.get("host", FOLDERS)) != FOLDERS:
            continue
        prefix = data.get("data_prefix") or ""
        if isinstance(prefix, Mapping):
            prefix = prefix.get("img_path") or ""
        root, listed = data.get("data_root") or "", data.get("ann_file") or ""
        folder = os.path.realpath(os.path.join(root, prefix))
        yield name, (folder, listed and os.path.realpath(os.path.join(root, listed)))


def _check(cfg: Mapping[str, Any], part: str, reason: str) -> None:
    loader = cfg.get(f"{part}_dataloader") or {}
    hint = HINT.format(part)
    for name, data in named_dicts(loader.get("dataset"), f"{part}_dataloader.dataset"):
        if data.get("role") == "test":
            raise InputError(f"{name} has role='test', and {reason}: give it {hint}")
        kind = data.get("type")
        if bare_name(kind) in TEST_ONLY:
            raise InputError(f"{name} is {kind}, which only a test may show: give it {hint}")
