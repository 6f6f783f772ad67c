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

from mmosr.apis import Loaded
from mmosr.runs.files import atomic_write
from mmosr.runs.hashes import content_hash
from mmosr.utils import InputError
from mmosr.utils.environment import version_differences
from mmosr.version import __version__

from .data import BenchmarkData

RECORD = "run.json"


def describe(loaded: Loaded, data: Sequence[BenchmarkData]) -> dict:
    """What decides the results of a run; a resumed run must have the same.

    Args:
        loaded: The model. The last digits of a map may depend on its neighbours in the batch.
        data: The data sets.
    """
    return {
        **loaded.identity(with_scores=False),
        "scores": list(loaded.model.score_names),
        "batch_size": loaded.batch_size,
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
