"""The config of a method on a protocol, and of one of its trials."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATA_SAMPLERS, TRANSFORMS

from mmosr.config.checks import check_has, check_trainable
from mmosr.config.loading import apply_options, read_config, set_data_preprocessor, set_scope
from mmosr.config.lookup import dicts, registered_class
from mmosr.config.machine import enable_amp
from mmosr.datasets import SeedDraw, SeededInfiniteSampler
from mmosr.engine.fit_hook import add_fit_hook
from mmosr.scored_model import set_scores
from mmosr.utils import InputError

from .protocols import ImageProtocol

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader", "fit_dataloader")
EVALUATORS = ("val_evaluator", "test_evaluator")
# Pipelines too: otherwise a data set without its own would get the method's.
DATA = (*LOADERS, *EVALUATORS, "data_preprocessor", "train_pipeline", "test_pipeline")
NEEDED = (*LOADERS[:3], *EVALUATORS, "data_preprocessor")
# How training draws images belongs to the learning rate and the loop, which are the method's.
SCHEDULED = ("batch_size", "sampler", "drop_last")


class UnfitDataError(InputError):
    """The data in a config are not those of the protocol."""


def method_config(
    path: str | os.PathLike,
    protocol: ImageProtocol,
    data: str | os.PathLike | None = None,
    *,
    amp: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
) -> Config:
    """Read the config of a method and set the data of a protocol.

    Args:
        path: The config file.
        protocol: Its number of classes is used with ``data``.
        data: A config file with only data, see :func:`replace_data`; None: the config's own data.
        amp: Train with automatic mixed precision.
        cfg_options: Changes by dotted keys, applied after ``data``.

    Raises:
        InputError: See :func:`~mmosr.config.loading.load_config` and :func:`replace_data`; or there
            is nothing to train, or training has no end.
    """
    cfg = read_config(path)
    if data is not None:
        replace_data(cfg, read_config(data), protocol.num_known)
    apply_options(cfg, cfg_options)
    if data is not None:
        _drop_seed_draws(cfg)
    set_data_preprocessor(cfg)
    check_trainable(cfg)
    if amp:
        enable_amp(cfg)
    return cfg


def replace_data(cfg: Config, data: Config, num_known: int) -> None:
    """Replace all data of a config, and fit its model to them.

    Loaders, evaluators, pipelines and ``data_preprocessor`` become those of ``data``; what
    ``data`` lacks, such as ``fit_dataloader``, is dropped. The training's batch size, sampler and
    ``drop_last`` stay, since the learning rate and the number of iterations were chosen for them;
    :func:`method_config` leaves ``mmosr.SeedDraw`` out of the pipeline where the sampler is not the
    one it needs. ``num_classes`` of the head becomes ``num_known``, also where a part of the head,
    such as its loss, repeats it.

    Args:
        cfg: Config of a method; changed in place.
        data: Config without a model.
        num_known: Number of known classes.

    Raises:
        InputError: ``data`` lacks a part or has a model, or the head has no ``num_classes``.
    """
    if "model" in data:
        raise InputError(
            f"--data {data.filename} has a model: give a file with only data, such as those of "
            "configs/_base_/protocols"
        )
    for key in NEEDED:
        if not data.get(key):
            raise InputError(f"--data {data.filename} has no '{key}'")
    check_has(cfg, ("model",), "train")
    own = cfg.get("train_dataloader") or {}
    for key in DATA:
        cfg.pop(key, None)
        if data.get(key):
            cfg[key] = copy.deepcopy(data[key])
    cfg.train_dataloader.update({key: own[key] for key in SCHEDULED if key in own})
    cfg.model.pop("data_preprocessor", None)
    _set_num_classes(cfg, num_known)


def _drop_seed_draws(cfg: Config) -> None:
    """Leave ``SeedDraw`` out of the training where the sampler gives it no seeds."""
    loader, scope = cfg.get("train_dataloader") or {}, cfg.get("default_scope")
    sampler = registered_class(DATA_SAMPLERS, (loader.get("sampler") or {}).get("type"), scope)
    if sampler is not None and issubclass(sampler, SeededInfiniteSampler):
        return
    for part in dicts(loader):
        for key, steps in part.items():
            if isinstance(steps, list):
                part[key] = [step for step in steps if not _is_seed_draw(step, scope)]


def _is_seed_draw(step: Any, scope: str | None) -> bool:
    kind = step.get("type") if isinstance(step, Mapping) else None
    return registered_class(TRANSFORMS, kind, scope) is SeedDraw


def _set_num_classes(cfg: Config, num_known: int) -> None:
    # Without it in the head, as with VGG, the backbone ends in the class scores.
    places = [cfg.model.get(name) for name in ("head", "backbone")]
    places = [part for part in places if isinstance(part, Mapping) and "num_classes" in part]
    if not places:
        raise InputError(
            f"config {cfg.filename}: --data sets model.head.num_classes, which the model does not "
            "have"
        )
    before = places[0]["num_classes"]
    for part in dicts(places[0]):
        if part.get("num_classes") == before:
            part["num_classes"] = num_known


def trial_config(
    config: Config,
    protocol: ImageProtocol,
    trial: int,
    scores: Sequence[str] | None = None,
    seed: int | None = None,
) -> Config:
    """The config of one trial, with its class split, its seed, and fitting where needed.

    Args:
        config: Config of the method, as the user gave it; not changed.
        protocol: The protocol; data that name a class split must name this one's.
        trial: Trial of the class split; also added to the seed.
        scores: Anomaly scores that replace the config's own.
        seed: Replaces the config's own.

    Raises:
        InputError: The config is for other data or lacks a part, or the trial does not exist.
    """
    for key in LOADERS[:3]:
        if not config.get(key):
            raise UnfitDataError(f"config {config.filename} has no '{key}', which a protocol needs")
    if not 0 <= trial < protocol.trials:
        raise InputError(
            f"protocol {protocol.identifier} has no trial {trial}: choose from "
            f"0-{protocol.trials - 1}"
        )
    cfg = copy.deepcopy(config)
    set_scope(cfg, "mmpretrain")
    for key in LOADERS:
        _set_trial(cfg, key, protocol, trial)
    randomness = cfg.get("randomness") or {}
    first = (randomness.get("seed") or 0) if seed is None else seed
    cfg.randomness = {**randomness, "seed": first + trial}
    if scores:
        set_scores(cfg.model, list(scores))
    add_fit_hook(cfg, interval=cfg.train_cfg.get("max_iters") or cfg.train_cfg.get("max_epochs"))
    cfg.resume, cfg.load_from = False, cfg.get("load_from")
    return cfg


def _set_trial(cfg: Config, key: str, protocol: ImageProtocol, trial: int) -> None:
    found = [node for node in dicts(cfg.get(key)) if "class_split" in node]
    for node in found:
        if node["class_split"] != protocol.class_split:
            raise UnfitDataError(
                f"config {cfg.filename}: {key} has class_split='{node['class_split']}', and "
                f"protocol {protocol.identifier} takes "
                + (f"'{protocol.class_split}'" if protocol.class_split else "all classes")
            )
        node["trial"] = trial
    if protocol.class_split and not found and key in ("train_dataloader", "test_dataloader"):
        raise UnfitDataError(
            f"config {cfg.filename}: {key} has no class_split: protocol {protocol.identifier} "
            f"needs data with class_split='{protocol.class_split}', see docs/image_data.md"
        )
