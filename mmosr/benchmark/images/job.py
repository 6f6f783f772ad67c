"""A trial, and the record by which it is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import mmengine
import mmpretrain
import numpy as np
import torch
from mmengine.config import Config

from mmosr.datasets.class_splits import load_split
from mmosr.evaluation.recognition import openness
from mmosr.runs.files import atomic_write
from mmosr.runs.hashes import content_hash
from mmosr.utils import InputError
from mmosr.utils.environment import version_differences
from mmosr.version import __version__

from .protocols import ImageProtocol
from .training import training_hash

RECORD, CONFIG, RESULT = "trial.json", "config.py", "result.json"
# Of a record; a resumed trial must have the same. The config decides the rest.
COMPARED = {
    "protocol": "protocol",
    "version": "version",
    "class_split": "class_split",
    "method": "method",
    "trial": "trial",
    "config_sha256": "config",
    "trained": "--trained",
}


@dataclass(frozen=True)
class Job:
    """One trial of one method.

    Args:
        method: Name of the config file, without its suffix.
        trial: From 0.
        config: Of this trial, see :func:`~mmosr.benchmark.images.config.trial_config`.
        record: What decides its figures, see :func:`describe`.
        folder: Of all that belongs to the trial.
        seed: Where the trial is run with several seeds.
    """

    method: str
    trial: int
    config: Config
    record: Mapping
    folder: Path
    seed: int | None = None

    @property
    def name(self) -> int | str:
        """What the trial is called in reports: its number, and the seed where it has one."""
        return self.trial if self.seed is None else f"{self.trial} seed {self.seed}"

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


def trial_folder(out: Path, method: str, trial: int, seed: int | None) -> Path:
    """Folder of a trial in that of all results."""
    return out / method / (f"trial_{trial}" + ("" if seed is None else f"_seed_{seed}"))


def trial_title(record: Mapping, folder: Path) -> str:
    """Title of a trial's figures: ``'METHOD, PROTOCOL, trial 0 seed 1'``.

    The folder's name tells the seeds of one trial apart; the record has the sum of both numbers.
    """
    return f"{record['method']}, {record['protocol']}, {folder.name.replace('_', ' ')}"


def describe(
    cfg: Config,
    protocol: ImageProtocol,
    method: str,
    trial: int,
    trained: Mapping | None = None,
) -> dict:
    """What decides the figures of a trial, and where they come from.

    Args:
        cfg: Of the trial.
        protocol: Of the figures.
        method: Its name.
        trial: From 0.
        trained: Of the checkpoint that is tested instead of training, see
            :func:`~mmosr.benchmark.images.trained.find_trained`.
    """
    split = load_split(protocol.class_split, trial) if protocol.class_split else None
    return {
        "protocol": protocol.identifier,
        "version": protocol.version,
        "class_split": None if split is None else f"{split.identifier}, version {split.version}",
        "method": method,
        "trial": trial,
        "seed": cfg.randomness["seed"],
        "config": str(cfg.filename),
        "config_sha256": content_hash(cfg.to_dict()),
        "training_sha256": training_hash(cfg),
        "trained": None if trained is None else dict(trained),
        "versions": versions(),
    }


def trial_openness(protocol: ImageProtocol, trial: int) -> float | None:
    """Openness of a trial in percent, see :func:`~mmosr.evaluation.recognition.openness`.

    Without a class split the unknown images are of no classes, and there is none.
    """
    if protocol.class_split is None:
        return None
    split = load_split(protocol.class_split, trial)
    known = len(split.known)
    return round(100 * openness(known, known, known + len(split.unknown)), 4)


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
    differing = [
        word for key, word in COMPARED.items() if old.get(key) != job.record[key]
    ] + version_differences(old.get("versions") or {}, job.record["versions"])
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
