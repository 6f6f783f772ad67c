"""A table of the anomaly scores of many images."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmosr.runs.files import atomic_write
from mmosr.runs.progress import progress
from mmosr.utils import InputError
from mmosr.visualization import ImageItem

from .image_inference import ImageAnomalyResult, ImageInferencer

# Where files lie may change between runs, what they hold may not.
_COMPARED = ("checkpoint_sha256", "config_sha256", "score", "input", "images", "batch_size")


@dataclass(frozen=True)
class ScoreTable:
    """What :func:`score_images` gives.

    Args:
        rows: One an image that could be read, in the order of the images: ``image``, ``class`` (or
            ``label``), ``probability``, each score by name, and ``unknown`` with a threshold.
        failed: Reason by source of each other image.
    """

    rows: list[dict]
    failed: dict[str, str]


def score_images(
    inferencer: ImageInferencer,
    items: Sequence[ImageItem],
    out: str | os.PathLike,
    run: Mapping,
    batch_size: int = 1,
    resume: bool = False,
) -> ScoreTable:
    """Score images and write the table as CSV, whole, once all are done.

    Until then finished batches are kept beside it (``OUT.part``), and ``resume`` goes on with them.
    An image that cannot be read does not stop the others.

    Args:
        inferencer: Gives the scores.
        items: From :func:`~mmosr.apis.find_images`.
        out: The CSV file.
        run: From :func:`~mmosr.apis.export_files.describe_run`.
        batch_size: Images that go through the network together when their sizes are equal.
        resume: Go on with an interrupted run.

    Raises:
        InputError: The interrupted run was another one.
    """
    if batch_size < 1:
        raise InputError(f"the batch size must be at least 1, got {batch_size}")
    out = Path(out)
    journal = out.with_name(out.name + ".part")
    run = {**run, "batch_size": batch_size, "images": [str(item.source) for item in items]}
    done = _start(journal, run, resume)
    # Batches are cut from the whole list, so that a resumed run repeats those of an unbroken one.
    batches = [items[start : start + batch_size] for start in range(0, len(items), batch_size)]
    with journal.open("a", encoding="utf-8") as file:
        for batch in progress(batches, "score"):
            if all(str(item.source) in done for item in batch):
                continue
            new = _score(inferencer, batch)
            done.update(new)
            file.writelines(json.dumps([name, entry]) + "\n" for name, entry in new.items())
            file.flush()
    entries = {str(item.source): done[str(item.source)] for item in items}
    rows = [{"image": name, **entry} for name, entry in entries.items() if "failed" not in entry]
    failed = {name: entry["failed"] for name, entry in entries.items() if "failed" in entry}
    _write(out, rows)
    journal.unlink()
    return ScoreTable(rows, failed)


def _score(inferencer: ImageInferencer, batch: Sequence[ImageItem]) -> dict[str, dict]:
    prepared, entries = {}, {}
    for item in batch:
        try:
            prepared[str(item.source)] = inferencer.prepare(item.source)
        except InputError as error:
            entries[str(item.source)] = {"failed": str(error)}
    results = inferencer.predict(list(prepared.values()))
    return {**entries, **dict(zip(prepared, map(_row, results), strict=True))}


def _row(result: ImageAnomalyResult) -> dict:
    named = {"label": result.pred} if result.class_name is None else {"class": result.class_name}
    row = {**named, "probability": float(result.probabilities[result.pred]), **result.scores}
    return row if result.unknown is None else {**row, "unknown": result.unknown}


def _start(journal: Path, run: Mapping, resume: bool) -> dict[str, dict]:
    """Begin the journal, or read what an interrupted run has finished."""
    entries: dict[str, dict] = {}
    if resume and journal.is_file():
        entries = _read(journal, run)
    with atomic_write(journal) as temporary:
        lines = [run, *([name, entry] for name, entry in entries.items())]
        temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return entries


def _read(journal: Path, run: Mapping) -> dict[str, dict]:
    first, *lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        found = json.loads(first)
        differing = [key for key in _COMPARED if found[key] != run[key]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{journal}' is not of an interrupted run: remove it, or choose another --out"
        ) from error
    if differing:
        names = ", ".join(key.removesuffix("_sha256") for key in differing)
        raise InputError(
            f"cannot resume: '{journal}' is of a run with another {names}; run without --resume, "
            "or choose another --out"
        )
    # A kill can cut the last line off.
    return dict(json.loads(line) for line in lines if line.endswith("\n"))


def _write(out: Path, rows: Sequence[Mapping]) -> None:
    with atomic_write(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["image"])
        writer.writeheader()
        writer.writerows(rows)
