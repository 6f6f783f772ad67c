"""``run.json``: what decides the results of a benchmark, and how a run is resumed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.dist import is_main_process

from mmosr.apis import Loaded
from mmosr.runs.hashes import content_hash
from mmosr.runs.ranks import from_first, together
from mmosr.runs.record import check_record, differences, versions, write_json
from mmosr.utils import InputError

from .data import BenchmarkData

RECORD = "run.json"


def start_record(out: Path, loaded: Loaded, data: Sequence[BenchmarkData], resume: bool) -> dict:
    """Write ``run.json``, or check that the run there is the same one. All ranks call it together.

    Args:
        out: Its folder.
        loaded: The model. The last digits of a map may depend on its neighbours in the batch.
        data: The data sets.
        resume: Continue the run there.

    Returns:
        What decides the results; a resumed run must have the same.

    Raises:
        InputError: There is a run that is not to be resumed, or is another one; or this rank is
            about to do something else than the first one.
    """
    run = together(lambda: _describe(loaded, data))
    first = from_first(lambda: run)
    together(lambda: _start(out / RECORD, run, first, resume))
    return run


def _describe(loaded: Loaded, data: Sequence[BenchmarkData]) -> dict:
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


def _start(path: Path, run: Mapping, first: Mapping, resume: bool) -> None:
    if differing := differences(first, run):
        raise InputError(
            f"this process has another {', '.join(differing)} than the first one: all machines "
            "need the same files"
        )
    if is_main_process() and not check_record(path, run, resume):
        write_json(path, run)
