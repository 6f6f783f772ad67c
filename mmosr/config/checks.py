"""Checks of a whole config, before anything is built from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.registry import DATA_SAMPLERS, LOOPS
from mmengine.runner import EpochBasedTrainLoop

from mmosr.utils.errors import InputError

from .lookup import bare_name, dicts, named_dicts, registered_class

# Data sets of unknown images, which have no other role.
TEST_ONLY = ("OpenSetTestData", "UnknownImages", "NoiseImages")
OPEN_SET, FOLDERS = "OpenSetClassificationDataset", "CustomDataset"
HINT = "mmosr.OpenSetClassificationDataset with role='{}', see docs/image_data.md"


def check_has(cfg: Config, keys: Sequence[str], purpose: str) -> None:
    """Check that a config has what a tool needs.

    Args:
        cfg: The config.
        keys: Top-level keys, such as ``'test_dataloader'``.
        purpose: What they are for, such as ``'test'``.

    Raises:
        InputError: A key is missing or None; names the first one.
    """
    for key in keys:
        if cfg.get(key) is None:
            raise InputError(
                f"config {cfg.filename} has no '{key}', so there is nothing to {purpose}"
            )


def check_trainable(cfg: Config) -> None:
    """:func:`check_has` for what training needs besides the data, and :func:`check_ends`."""
    check_has(cfg, ("model", "train_cfg", "optim_wrapper"), "train")
    check_ends(cfg)


def check_data(cfg: Config, loaders: Sequence[str]) -> None:
    """Check that the image folders of some data loaders exist.

    Raises:
        InputError: A folder is missing; names it.
    """
    for loader in loaders:
        for dataset in dicts(cfg.get(loader) or {}):
            prefix = dataset.get("data_prefix")
            if not isinstance(prefix, Mapping) or "img_path" not in prefix:
                continue
            folder = os.path.join(dataset.get("data_root") or "", prefix["img_path"])
            if "://" not in folder and not os.path.isdir(folder or "."):
                raise InputError(
                    f"{loader}: image folder {folder} does not exist; docs/data.md says how to "
                    "get and arrange each data set"
                )


def check_ends(cfg: Mapping[str, Any]) -> None:
    """Check that an epoch ends if training counts epochs.

    Raises:
        InputError: ``train_dataloader`` never ends.
    """
    sampler = (cfg.get("train_dataloader") or {}).get("sampler") or {}
    found = registered_class(DATA_SAMPLERS, sampler.get("type"), cfg.get("default_scope"))
    if found is not None and issubclass(found, InfiniteSampler) and _counts_epochs(cfg):
        raise InputError(
            f"train_dataloader.sampler {found.__name__} never ends, but train_cfg counts epochs: "
            "set train_cfg.type='IterBasedTrainLoop' and max_iters, or sampler.type="
            "'DefaultSampler' and no mmosr.SeedDraw in the pipeline"
        )


def _counts_epochs(cfg: Mapping[str, Any]) -> bool:
    loop = cfg.get("train_cfg") or {}
    if loop.get("type") is None:
        return bool(loop.get("by_epoch"))
    found = registered_class(LOOPS, loop["type"], cfg.get("default_scope"))
    return found is not None and issubclass(found, EpochBasedTrainLoop)


def check_training_data(cfg: Mapping[str, Any]) -> None:
    """Check that no part of the training data is test data, however deeply it is wrapped.

    The images may all be of known classes: test images in training make any figure worthless.

    Raises:
        InputError: A part of ``train_dataloader`` has ``role='test'`` or unknown images; names it.
    """
    _check(cfg, "train", "training must not see the test")


def check_threshold_data(cfg: Mapping[str, Any]) -> None:
    """The same for ``val_dataloader``, from which the threshold of a test is taken."""
    _check(cfg, "val", "a threshold must not be chosen on the test")


def check_folders(cfg: Mapping[str, Any]) -> None:
    """Check that training does not read the folder of the test, whatever the roles.

    For image folders only the config says which is the test; other hosts choose their files by
    role. Nothing is read from the disk: see :func:`~mmosr.datasets.shared_images.check_apart` for
    images that two folders share.

    Raises:
        InputError: It does; names the parts of ``train_dataloader`` and ``test_dataloader``.
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
    """Names of the image-folder data sets with this role; folder and list of images."""
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
            raise InputError(f"{name} is {kind}, which only a test may use: give it {hint}")
