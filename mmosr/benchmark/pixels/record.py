"""``run.json``: what decides the results of a benchmark, and how a run is resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import mmcv
import mmengine
import mmseg
import numpy as np
import torch
from mmengine.config import Config

from mmosr.apis.image_loading import inference_pipeline
from mmosr.engine.packaged_weights import checkpoint_file
from mmosr.runs.files import atomic_write
from mmosr.runs.hashes import content_hash, file_hash
from mmosr.utils import InputError
from mmosr.utils.environment import version_differences
from mmosr.version import __version__

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
        "versions": {
            "mmosr": __version__,
            "torch": torch.__version__,
            "mmseg": mmseg.__version__,
            "mmcv": mmcv.__version__,
            "mmengine": mmengine.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
    }


def _model(config: Config) -> dict:
    """The model without the names of the scores, which are compared by themselves."""
    model = dict(config.model)
    scores = model.pop("score", None) or []
    scores = [scores] if isinstance(scores, (str, Mapping)) else scores
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
    path = out / RECORD
    if path.exists() and not resume:
        raise InputError(
            f"'{out}' holds a run already: add --resume to continue it, or choose another --out"
        )
    if path.exists():
        differing = _differences(_read(path), run, path)
        if differing:
            raise InputError(
                f"cannot resume: '{path}' is of a run with another {', '.join(differing)}; "
                "choose another --out"
            )
        return run
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    return run


def check_same(first: Mapping, own: Mapping) -> None:
    """Check that this rank is about to do what the first one does.

    Raises:
        InputError: Naming what differs, such as data that is not the same on all machines.
    """
    if differing := _differences(first, own, Path(RECORD)):
        raise InputError(
            f"this process has another {', '.join(differing)} than the first one: all machines "
            "need the same files"
        )


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"'{path}' is no record of a run: choose another --out") from error


def _differences(old: Mapping, new: Mapping, path: Path) -> list[str]:
    """What differs, in words."""
    try:
        keys = ("config_sha256", "checkpoint_sha256", "scores", "batch_size")
        found = [key.removesuffix("_sha256") for key in keys if old[key] != new[key]]
        if list(old["datasets"]) != list(new["datasets"]):
            found.append("list of data sets")
        else:
            found += [
                f"data set '{name}' ({_some(old['datasets'][name], part)})"
                for name, part in new["datasets"].items()
                if old["datasets"][name] != part
            ]
        found += version_differences(old["versions"], new["versions"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{path}' is no record of a run: choose another --out") from error
    return found


def _some(old: Mapping, new: Mapping) -> str:
    words = {"config_sha256": "config", "images_sha256": "list of images"}
    return ", ".join(words.get(key, key) for key in new if old.get(key) != new[key])
