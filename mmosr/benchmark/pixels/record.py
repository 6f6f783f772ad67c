"""``run.json``: what decides the results of a benchmark, and how a run is resumed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config

from mmosr.apis.image_loading import inference_pipeline
from mmosr.engine.packaged_weights import checkpoint_file
from mmosr.runs.hashes import content_hash, file_hash
from mmosr.runs.record import check_record, differences, versions, write_json
from mmosr.scores.entries import entry_configs
from mmosr.utils import InputError

from .data import BenchmarkData

RECORD = "run.json"


def describe(
    config: Config,
    checkpoint: str | os.PathLike,
    scores: Sequence[str],
    data: Sequence[BenchmarkData],
    batch_size: int,
) -> dict:
    """What decides the results of a run; a resumed run must have the same.

    Args:
        config: As the user gave it. Model and test pipeline are compared, by their content.
        checkpoint: Compared by its content.
        scores: Names of the scores.
        data: The data sets.
        batch_size: The last digits of a map may depend on its neighbours in the batch.
    """
    return {
        "config": str(config.filename),
        "config_sha256": content_hash([_model(config), inference_pipeline(config)]),
        "checkpoint": os.fspath(checkpoint),
        "checkpoint_sha256": file_hash(checkpoint_file(checkpoint)),
        "scores": list(scores),
        "batch_size": batch_size,
        "datasets": {part.name: _dataset(part) for part in data},
        "versions": versions("mmseg"),
    }


def _model(config: Config) -> dict:
    """The model without the names of the scores, which are compared by themselves."""
    model = dict(config.model)
    scores = entry_configs(model.pop("score", None) or ())
    model["score"] = [score for score in scores if isinstance(score, Mapping)]
    return model


def _dataset(data: BenchmarkData) -> dict:
    # Images by their names below the folder that they share, as a list has them.
    root = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in data.images])
    names = [os.path.relpath(path, root) for path in data.images]
    return {
        "protocol": data.protocol.identifier,
        "version": data.protocol.version,
        "config_sha256": content_hash(data.config),
        "images": len(names),
        "images_sha256": content_hash(names),
    }


def start_record(out: Path, run: dict, resume: bool) -> dict:
    """Write ``run.json``, or check that the run there is the same one.

    Returns:
        What is to be tested.

    Raises:
        InputError: There is a run that is not to be resumed, or is another one.
    """
    if not check_record(out / RECORD, run, resume):
        write_json(out / RECORD, run)
    return run


def check_same(first: Mapping, own: Mapping) -> None:
    """Check that this rank is about to do what the first one does.

    Raises:
        InputError: Naming what differs, such as data that is not the same on all machines.
    """
    if differing := differences(first, own):
        raise InputError(
            f"this process has another {', '.join(differing)} than the first one: all machines "
            "need the same files"
        )
