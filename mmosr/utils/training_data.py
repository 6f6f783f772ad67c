"""Training data that show what only a test may show, found in the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import named_dicts
from .errors import InputError

# Data sets of unknown images, which have no other role.
TEST_ONLY = ("OpenSetTestData", "UnknownImages", "NoiseImages")
HINT = "give training mmosr.OpenSetClassificationDataset with role='train', see docs/image_data.md"


def check_training_data(cfg: Mapping[str, Any]) -> None:
    """Check that no part of the training data is a test, however deep wrappers hide it.

    The images may all be of known classes: test images in training make any figure worthless.

    Args:
        cfg: The whole config.

    Raises:
        InputError: Naming the part of ``train_dataloader`` that has ``role='test'`` or is of
            unknown images.
    """
    loader = cfg.get("train_dataloader") or {}
    for name, part in named_dicts(loader.get("dataset"), "train_dataloader.dataset"):
        if part.get("role") == "test":
            raise InputError(f"{name} has role='test', and training must not see the test: {HINT}")
        kind = str(part.get("type"))
        if kind.rpartition(".")[2] in TEST_ONLY:
            raise InputError(f"{name} is {kind}, which only a test may show: {HINT}")
