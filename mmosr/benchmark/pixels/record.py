"""``run.json``: what decides the results of a benchmark, and how a run is resumed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmosr.apis import Loaded
from mmosr.runs.hashes import content_hash
from mmosr.runs.record import check_record, differences, versions, write_json
from mmosr.utils import InputError

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
        "versions": versions("mmseg"),
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
