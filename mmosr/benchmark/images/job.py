"""A trial, and the record used to resume it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmosr.datasets.class_splits import load_split
from mmosr.evaluation.recognition import openness
from mmosr.runs.files import atomic_write
from mmosr.runs.hashes import content_hash
from mmosr.runs.record import check_record, read_json, versions, write_json

from .protocols import ImageProtocol
from .training import training_hash

TRIAL_RECORD, CONFIG, RESULT = "trial.json", "config.py", "result.json"
_OF_THE_CONFIG = ("seed", "training_sha256")  # compared by its hash


@dataclass(frozen=True)
class Job:
    """One trial of one method.

    Args:
        config: Config of this trial, see :func:`~mmosr.benchmark.images.config.trial_config`.
        record: What determines its figures, see :func:`describe`.
        folder: Folder of all files of the trial.
        name: What the trial is called in reports: its number, and the seed if it has one.
    """

    config: Config
    record: Mapping
    folder: Path
    name: int | str

    @property
    def method(self) -> str:
        """Name of the config file, without its suffix."""
        return self.record["method"]

    @property
    def finished(self) -> bool:
        """Whether the figures exist."""
        return (self.folder / RESULT).is_file()

    @property
    def result(self) -> dict:
        """The figures of a finished trial; an InputError if the file is not readable."""
        return read_json(self.folder / RESULT)

    def check(self, resume: bool) -> None:
        """Like :func:`~mmosr.runs.record.check_record`, for this trial."""
        check_record(self.folder / TRIAL_RECORD, self.record, resume, _OF_THE_CONFIG)

    def start(self) -> None:
        """Write config and record, unless those that :meth:`check` has compared exist."""
        if not (self.folder / TRIAL_RECORD).is_file():
            with atomic_write(self.folder / CONFIG) as path:
                self.config.dump(path)
            write_json(self.folder / TRIAL_RECORD, self.record)


def trial_folder(out: Path, method: str, trial: int, seed: int | None) -> Path:
    """Folder of a trial within that of all results."""
    return out / method / (f"trial_{trial}" + ("" if seed is None else f"_seed_{seed}"))


def trial_title(record: Mapping, folder: Path) -> str:
    """Title of a trial's figures: ``'METHOD, PROTOCOL, trial 0 seed 1'``.

    The folder's name distinguishes the seeds of one trial; the record has the sum of both numbers.
    """
    return f"{record['method']}, {record['protocol']}, {folder.name.replace('_', ' ')}"


def describe(
    cfg: Config, protocol: ImageProtocol, trial: int, trained: Mapping | None = None
) -> dict:
    """What determines the figures of a trial, and where they come from.

    ``trained`` describes the checkpoint that is tested instead of training, see
    :func:`~mmosr.benchmark.images.trained.find_trained`.
    """
    split = load_split(protocol.class_split, trial) if protocol.class_split else None
    return {
        "protocol": protocol.identifier,
        "version": protocol.version,
        "class_split": None if split is None else f"{split.identifier}, version {split.version}",
        "method": Path(cfg.filename).stem,
        "trial": trial,
        "seed": cfg.randomness["seed"],
        "config": str(cfg.filename),
        "config_sha256": content_hash(cfg.to_dict()),
        "training_sha256": training_hash(cfg),
        "trained": trained,
        "versions": versions("mmpretrain"),
    }


def trial_openness(protocol: ImageProtocol, trial: int) -> float | None:
    """Openness of a trial in percent, see :func:`~mmosr.evaluation.recognition.openness`.

    Without a class split the unknown images have no classes, so it is undefined.
    """
    if protocol.class_split is None:
        return None
    split = load_split(protocol.class_split, trial)
    known = len(split.known)
    return round(100 * openness(known, known, known + len(split.unknown)), 4)
