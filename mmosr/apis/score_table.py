"""A table of the anomaly scores of many images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmosr.runs.batches import cut
from mmosr.runs.journal import Journal
from mmosr.runs.progress import progress
from mmosr.runs.tables import write_csv
from mmosr.visualization import ImageItem

from .export import predict_readable
from .inference import ImageAnomalyResult, ImageInferencer


@dataclass(frozen=True)
class ScoreTable:
    """What :func:`score_images` returns.

    Args:
        rows: One per image that could be read, in the order of the images: ``image``, ``class`` (or
            ``label``), ``probability``, each score by name, and ``unknown`` with a threshold.
        failed: Reason by source for each other image.
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
    """Score images and write the table as CSV, atomically, once all are done.

    Until then finished batches are kept next to it (``OUT.part``), and ``resume`` continues from
    them. An image that cannot be read does not stop the others.

    Args:
        inferencer: Computes the scores.
        items: From :func:`~mmosr.apis.find_images`.
        out: The CSV file.
        run: From :func:`~mmosr.apis.describe_run`.
        batch_size: Images that go through the network together if their sizes are equal.
        resume: Continue an interrupted run.

    Raises:
        InputError: The interrupted run was a different one.
    """
    out, batches = Path(out), cut(items, batch_size)
    run = {**run, "batch_size": batch_size, "images": [str(item.source) for item in items]}
    journal = Journal(out.with_name(out.name + ".part"), run, resume)
    done = dict(journal.lines)
    for batch in progress(batches, "score", "batches"):
        if all(str(item.source) in done for item in batch):
            continue
        new = _score(inferencer, batch)
        done.update(new)
        journal.add(new.items())
    entries = {str(item.source): done[str(item.source)] for item in items}
    rows = [{"image": name, **entry} for name, entry in entries.items() if "failed" not in entry]
    failed = {name: entry["failed"] for name, entry in entries.items() if "failed" in entry}
    write_csv(out, rows, rows[0] if rows else ["image"])
    journal.path.unlink()
    return ScoreTable(rows, failed)


def _score(inferencer: ImageInferencer, batch: Sequence[ImageItem]) -> dict[str, dict]:
    results, failed = predict_readable(inferencer, batch)
    entries = {source: {"failed": reason} for source, reason in failed.items()}
    return {**entries, **{str(item.source): _row(result) for item, result in results.items()}}


def _row(result: ImageAnomalyResult) -> dict:
    named = {"label": result.pred} if result.class_name is None else {"class": result.class_name}
    row = {**named, "probability": float(result.probabilities[result.pred]), **result.scores}
    return row if result.unknown is None else {**row, "unknown": result.unknown}
