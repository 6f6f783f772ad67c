"""Training and validation data that show what only a test may show, found in the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import named_dicts
from .errors import InputError

# Data sets of unknown images, which have no other role.
TEST_ONLY = ("OpenSetTestData", "UnknownImages", "NoiseImages")
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


def _check(cfg: Mapping[str, Any], part: str, reason: str) -> None:
    loader = cfg.get(f"{part}_dataloader") or {}
    hint = HINT.format(part)
    for name, data in named_dicts(loader.get("dataset"), f"{part}_dataloader.dataset"):
        if data.get("role") == "test":
            raise InputError(f"{name} has role='test', and {reason}: give it {hint}")
        kind = str(data.get("type"))
        if kind.rpartition(".")[2] in TEST_ONLY:
            raise InputError(f"{name} is {kind}, which only a test may show: give it {hint}")
