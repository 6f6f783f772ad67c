"""A benchmark: one pass over the images of several data sets, all scores, all figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.dist import is_main_process

from mmosr.apis import AnomalyInferencer, Loaded
from mmosr.runs.hashes import content_hash
from mmosr.runs.ranks import FailureNote, from_first, together
from mmosr.runs.record import check_record, differences, versions, write_json
from mmosr.utils import InputError

from .data import OWN_TEST_DATA, BenchmarkData, find_benchmarks
from .dataset_run import DatasetRun
from .report import write_report
from .result import DatasetResult

RUN_RECORD = "run.json"


def run_benchmark(
    loaded: Loaded,
    out: str | os.PathLike,
    datasets: Sequence[str] = (OWN_TEST_DATA,),
    *,
    resume: bool = False,
    keep_maps: bool = False,
) -> tuple[list[DatasetResult], list[Path]]:
    """Test a model on open-set data sets and write the report.

    Each image goes through the network once. Progress is kept image by image: a run that was
    stopped for any reason continues with ``resume`` and gives the same numbers, on any number of
    ranks. In a distributed run all ranks call this together, each takes its share of the images,
    and the first writes the report.

    Args:
        loaded: The model, from :func:`~mmosr.apis.load`, with the scores to test.
        out: Folder of the results; every rank must see it.
        datasets: Names of files in ``configs/_base_/benchmarks``, paths of such files, or ``test``
            for the test data of the model's config.
        resume: Continue the run in ``out``.
        keep_maps: Keep the score maps of all images, as float32 ``.npy``, in ``out/NAME/maps``.

    Returns:
        The results and the files of the report; both are empty on the ranks after the first.

    Raises:
        InputError: The model has no anomaly maps, a data set is missing, ``out`` holds another run,
            or an image is unreadable, has wrong labels, or has scores that are not finite.
    """
    AnomalyInferencer.check_model(loaded.model)
    out = Path(out).expanduser()
    data = together(lambda: [BenchmarkData(b, loaded) for b in find_benchmarks(datasets, loaded)])
    note = FailureNote(out)
    record = _start_record(out, loaded, data, resume)
    runs = [DatasetRun(loaded, part, out / part.name, note, keep_maps) for part in data]
    with _repeatable():
        results = [part.run() for part in runs]
    written = from_first(lambda: write_report(out, results, record))
    if not is_main_process():
        return [], []
    for part in runs:
        part.remove_maps()
    return results, written


def _start_record(out: Path, loaded: Loaded, data: Sequence[BenchmarkData], resume: bool) -> dict:
    """Write what determines the results, or check that the run in the folder is the same."""
    run = together(lambda: _describe(loaded, data))
    first = from_first(lambda: run)
    together(lambda: _start(out / RUN_RECORD, run, first, resume))
    return run


def _describe(loaded: Loaded, data: Sequence[BenchmarkData]) -> dict:
    return {
        **loaded.identity(with_scores=False),
        "scores": list(loaded.model.score_names),
        "batch_size": loaded.batch_size,  # the rest of a batch may change a map's last digits
        "datasets": {part.name: _dataset(part) for part in data},
        "versions": versions("mmseg"),
    }


def _dataset(data: BenchmarkData) -> dict:
    # Images by their paths below their common folder, as in a list.
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
            f"this process differs from the first one in {', '.join(differing)}: all machines "
            "need the same files"
        )
    if is_main_process() and not check_record(path, run, resume):
        write_json(path, run)


def _repeatable():
    """Get the same digits in every run on one machine: algorithms are not chosen by speed."""
    flags = torch.backends.cudnn
    return flags.flags(
        enabled=flags.enabled, benchmark=False, deterministic=True, allow_tf32=flags.allow_tf32
    )
