"""Checkpoints of another run's trials, to be tested on another protocol without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmosr.registry import SCORES
from mmosr.runs.hashes import content_hash, file_hash
from mmosr.runs.record import read_json, version_differences, versions
from mmosr.scores import FittedScore
from mmosr.scores.entries import ScoreEntry, entry_configs
from mmosr.utils import InputError

from .job import CONFIG, RESULT
from .training import training_differences


def find_trained(folder: Path, cfg: Config) -> dict[str, str]:
    """The checkpoint of the finished trial in a folder, if it was trained as a config says.

    Returns:
        ``folder``, ``protocol``, ``checkpoint`` and ``checkpoint_sha256`` of the finished trial,
        and ``data_sha256``, see :func:`data_hash`.

    Raises:
        InputError: There is no finished trial, it was trained in another way or with other
            packages, its checkpoint is not the one it was tested with, or lacks the statistics of
            a score.
    """
    if not (folder / RESULT).is_file() or not (folder / CONFIG).is_file():
        raise InputError(f"--trained: there is no finished trial in '{folder}'")
    result, config = read_json(folder / RESULT), Config.fromfile(folder / CONFIG)
    differing = training_differences(config, cfg)
    differing += version_differences(result["versions"], versions("mmpretrain"))
    if differing:
        raise InputError(
            f"--trained: '{folder}' was trained with another {', '.join(differing)}: train without "
            "--trained"
        )
    _check_scores(config, cfg, folder)
    checkpoint = folder / result["checkpoint"]  # an absolute path if it came from elsewhere
    check_checkpoint(checkpoint, result["checkpoint_sha256"])
    return {
        "folder": str(folder.resolve()),
        "protocol": result["protocol"],
        "checkpoint": str(checkpoint.resolve()),
        "checkpoint_sha256": result["checkpoint_sha256"],
        "data_sha256": data_hash(result["data"]),
    }


def check_checkpoint(checkpoint: Path, sha256: str) -> None:
    """Check that a checkpoint is the one that was recorded.

    Raises:
        InputError: It is missing or has changed.
    """
    if not checkpoint.is_file():
        raise InputError(f"--trained: the checkpoint '{checkpoint}' is gone")
    if file_hash(checkpoint) != sha256:
        raise InputError(f"--trained: '{checkpoint}' has changed since it was tested")


def data_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of the classes and the training and validation images in ``describe_data``."""
    return content_hash([data[key] for key in ("known_classes", "train", "val")])


def check_data_of(trained: Mapping[str, str] | None, data: Mapping[str, Any]) -> None:
    """Check that a trial has the known classes and images that its checkpoint was trained with.

    Args:
        trained: From :func:`find_trained`; None for a trial that is trained.
        data: From :func:`~mmosr.benchmark.images.data.describe_data`.

    Raises:
        InputError: They differ.
    """
    if trained is not None and data_hash(data) != trained["data_sha256"]:
        raise InputError(
            f"--trained: '{trained['folder']}' was trained with other classes or images: train "
            "without --trained"
        )


def _check_scores(source: Config, cfg: Config, folder: Path) -> None:
    """Scores with statistics must have been fitted with the same options."""
    SCORES.import_from_location()
    found = _entries(source)
    for entry in _entries(cfg):
        part = SCORES.module_dict.get(entry.kind)
        if isinstance(part, type) and issubclass(part, FittedScore) and entry not in found:
            raise InputError(
                f"--trained: the checkpoint in '{folder}' has no statistics of the score "
                f"'{entry.name}' as the config has it: leave it out of --scores, or train without "
                "--trained"
            )


def _entries(cfg: Config) -> list[ScoreEntry]:
    return [
        ScoreEntry.of(score) for score in entry_configs(cfg.to_dict()["model"].get("score") or ())
    ]
