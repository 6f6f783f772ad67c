"""A trial: the config that it is trained with, and the record by which it is resumed."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import mmengine
import mmpretrain
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS

from mmosr.datasets.class_splits import load_split
from mmosr.engine import FitHook
from mmosr.evaluation.image_protocols import ImageProtocol
from mmosr.scores import set_scores
from mmosr.utils import InputError, atomic_write
from mmosr.utils.config import dicts
from mmosr.utils.hashes import content_hash
from mmosr.version import __version__

RECORD, CONFIG, RESULT = "trial.json", "config.py", "result.json"
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader", "fit_dataloader")


@dataclass(frozen=True)
class Job:
    """One trial of one method.

    Args:
        method: Name of the config file, without its suffix.
        trial: From 0.
        config: Of this trial, see :func:`trial_config`.
        record: What decides its figures, see :func:`describe`.
        folder: Of all that belongs to the trial.
    """

    method: str
    trial: int
    config: Config
    record: Mapping
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether the figures are there."""
        return (self.folder / RESULT).is_file()

    @property
    def result(self) -> dict:
        """The figures of a finished trial.

        Raises:
            InputError: The file is not readable.
        """
        return read_json(self.folder / RESULT)


def trial_config(
    config: Config, protocol: ImageProtocol, trial: int, scores: Sequence[str] | None = None
) -> Config:
    """The config of one trial: its class split, its seed, and statistics fitted where needed.

    Args:
        config: Of the method, as the user gave it; not changed.
        protocol: Data that name a class split must name this protocol's.
        trial: Trial of the class split; it is added to the seed as well.
        scores: Anomaly scores instead of the config's own.

    Raises:
        InputError: The config is for other data or lacks a part, or there is no such trial.
    """
    for key in ("train_dataloader", "val_dataloader", "test_dataloader", "train_cfg"):
        if not config.get(key):
            raise InputError(f"config {config.filename} has no '{key}', which a protocol needs")
    if not 0 <= trial < protocol.trials:
        raise InputError(
            f"protocol {protocol.identifier} has no trial {trial}: choose from "
            f"0-{protocol.trials - 1}"
        )
    cfg = copy.deepcopy(config)
    for key in LOADERS:
        _set_trial(cfg, key, protocol, trial)
    seed = (cfg.get("randomness") or {}).get("seed") or 0
    cfg.randomness = {**(cfg.get("randomness") or {}), "seed": seed + trial}
    if scores:
        set_scores(cfg.model, list(scores))
    hooks = list(cfg.get("custom_hooks") or [])
    if not any(HOOKS.get(hook["type"]) is FitHook for hook in hooks):
        length = cfg.train_cfg.get("max_iters") or cfg.train_cfg.get("max_epochs")
        cfg.custom_hooks = [*hooks, dict(type="mmosr.FitHook", interval=length)]
    cfg.resume, cfg.load_from = False, cfg.get("load_from")
    return cfg


def _set_trial(cfg: Config, key: str, protocol: ImageProtocol, trial: int) -> None:
    found = [node for node in dicts(cfg.get(key)) if "class_split" in node]
    for node in found:
        if node["class_split"] != protocol.class_split:
            raise InputError(
                f"config {cfg.filename}: {key} has class_split='{node['class_split']}', and "
                f"protocol {protocol.identifier} takes "
                + (f"'{protocol.class_split}'" if protocol.class_split else "all classes")
            )
        node["trial"] = trial
    if protocol.class_split and not found and key in ("train_dataloader", "test_dataloader"):
        raise InputError(
            f"config {cfg.filename}: {key} has no class_split: protocol {protocol.identifier} "
            f"needs data with class_split='{protocol.class_split}', see docs/image_data.md"
        )


def describe(cfg: Config, protocol: ImageProtocol, method: str, trial: int) -> dict:
    """What decides the figures of a trial; a resumed trial must have the same."""
    split = load_split(protocol.class_split, trial) if protocol.class_split else None
    return {
        "protocol": protocol.identifier,
        "version": protocol.version,
        "class_split": None if split is None else f"{split.identifier}, version {split.version}",
        "method": method,
        "trial": trial,
        "config": str(cfg.filename),
        "config_sha256": content_hash(cfg.to_dict()),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that figures can depend on."""
    modules = dict(
        torch=torch, mmpretrain=mmpretrain, mmcv=mmcv, mmengine=mmengine, numpy=np, opencv=cv2
    )
    return {"mmosr": __version__, **{name: part.__version__ for name, part in modules.items()}}


def start(job: Job, resume: bool) -> None:
    """Write config and record of a trial, or check that those there are the same.

    Raises:
        InputError: There is a trial that is not to be resumed, or is another one.
    """
    check_start(job, resume)
    if not (job.folder / RECORD).is_file():
        job.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(job.folder / CONFIG) as path:
            job.config.dump(path)
        write_json(job.folder / RECORD, job.record)


def check_start(job: Job, resume: bool) -> None:
    """The checks of :func:`start`, without writing anything."""
    path = job.folder / RECORD
    if not path.is_file():
        return
    if not resume:
        raise InputError(
            f"'{job.folder}' holds a trial already: add --resume to go on with it, or choose "
            "another --out"
        )
    old = read_json(path)
    keys = [key for key in job.record if key not in ("config", "versions")]
    differing = [key.removesuffix("_sha256") for key in keys if old.get(key) != job.record[key]]
    found = old.get("versions") or {}
    differing += [
        f"{name} ({found.get(name)} instead of {version})"
        for name, version in job.record["versions"].items()
        if found.get(name) != version
    ]
    if differing:
        raise InputError(
            f"cannot resume: '{path}' is of a trial with another {', '.join(differing)}; choose "
            "another --out"
        )


def read_json(path: Path) -> dict:
    """A JSON object.

    Raises:
        InputError: The file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is not what a trial has written: choose another --out")
    return content


def write_json(path: Path, content: Mapping) -> None:
    """Write a JSON object, whole."""
    with atomic_write(path) as temporary:
        text = json.dumps(content, indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
