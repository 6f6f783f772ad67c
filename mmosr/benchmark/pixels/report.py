"""The files of a benchmark: JSON and CSV for programs, markdown and pictures for readers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmosr.benchmark.reports import write_files
from mmosr.evaluation.curves import bounds
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.runs.tables import write_csv
from mmosr.visualization import (
    draw_frames,
    draw_precision_recall,
    draw_roc,
    draw_score_histogram,
    write_figure,
)

from .result import DatasetResult
from .tables import FIGURES, THRESHOLD, in_percent, markdown, undefined

FORMAT = 1  # of benchmark.json and benchmark.csv; increases when a key changes its meaning
CLOSED_SET = ("aAcc", "mIoU", "mAcc")
BOUNDED = ("AUROC", "AP", "FPR95")
PIXEL_FIGURES = ("AUROC", "AP", "AUPR-In", "FPR95", "TNR95", "F1", THRESHOLD)
_PERCENTILES = (1, 99)  # of the scores, for the colours of frames


def write_report(out: Path, results: Sequence[DatasetResult], run: Mapping) -> list[Path]:
    """Write all files of a benchmark, each atomically.

    ``benchmark.json``, ``benchmark.csv`` and ``benchmark.md``, and for each data set ``NAME/``
    with ``per_image.csv``, ``roc.png``, ``pr.png``, ``histogram_SCORE.png``, ``best.png`` and
    ``worst.png``. Without unknown or without known pixels there are no curves and no frames.
    Figures are in percent, the threshold in units of the score; what is undefined is ``null`` in
    JSON and empty in CSV. Only the markdown rounds.

    Args:
        out: Folder of the report.
        results: One for each data set.
        run: The content of ``run.json``: what determines the results.

    Returns:
        The files, starting with those of the whole run.
    """
    pictures = {result.name: _draw(out / result.name, result) for result in results}
    report = _strict(
        {
            "format": FORMAT,
            "units": f"figures in percent, {THRESHOLD} in units of the score",
            "run": run,
            "datasets": [_dataset(result) for result in results],
        }
    )
    lines = markdown(results, run, pictures)
    written = write_files(out / "benchmark", report, _csv_rows(report), lines, line_end="\n")
    for result in results:
        path = out / result.name / "per_image.csv"
        rows = (
            {**row, **in_percent({name: row[name] for name in PIXEL_FIGURES})}
            for row in result.per_image
        )
        columns = ("image", "score", "known", "unknown", *PIXEL_FIGURES)
        written.append(write_csv(path, map(_strict, rows), columns, line_end="\n"))
        written += pictures[result.name].values()
    return written


def _dataset(result: DatasetResult) -> dict:
    protocol = asdict(result.protocol)
    published = protocol.pop("published")
    return {
        "name": result.name,
        "protocol": {**protocol, "rules": result.protocol.rules},
        "images": result.images,
        "pixels": {"known": result.known, "unknown": result.unknown, "ignored": result.ignored},
        "closed_set": result.closed_set,
        "scores": {
            score: {
                "figures": in_percent(figures),
                "bounds": {
                    name: [100 * limit for limit in limits]
                    for name, limits in bounds(result.histograms[score]).items()
                },
                "histogram_bits": result.histograms[score].bits,
            }
            for score, figures in result.figures.items()
        },
        "published": published,
    }


def _strict(value: object) -> object:
    """The same with null for NaN and plain numbers, since JSON has no others."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- CSV ----------------------------------------------------------------------------------------


def _csv_rows(report: Mapping) -> Iterator[dict]:
    """One row per data set and score, all with the same columns."""
    run = report["run"]
    origin = {
        **{key: run[key] for key in ("config", "config_sha256", "checkpoint", "checkpoint_sha256")},
        **{f"{name}_version": version for name, version in run["versions"].items()},
    }
    for data in report["datasets"]:
        closed_set = data["closed_set"] or {}
        for score, found in data["scores"].items():
            yield {
                "dataset": data["name"],
                "protocol": data["protocol"]["identifier"],
                "protocol_version": data["protocol"]["version"],
                "score": score,
                "images": data["images"],
                **data["pixels"],
                **{name: closed_set.get(name) for name in CLOSED_SET},
                **{name: found["figures"].get(name) for name in FIGURES},
                "histogram_bits": found["histogram_bits"],
                **{f"{name}_low": found["bounds"][name][0] for name in BOUNDED},
                **{f"{name}_high": found["bounds"][name][1] for name in BOUNDED},
                **origin,
            }


# --- pictures -----------------------------------------------------------------------------------


def _draw(folder: Path, result: DatasetResult) -> dict[str, Path]:
    """Draw the pictures of a data set; return their paths by title."""
    if undefined(result):
        return {}
    title = result.name  # short, because the smallest picture is narrow
    drawn = {"ROC": folder / "roc.png", "Precision and recall": folder / "pr.png"}
    write_figure(draw_roc(result.histograms, title), drawn["ROC"])
    figure = draw_precision_recall(result.histograms, title)
    write_figure(figure, drawn["Precision and recall"])
    for score, name in file_names(result.histograms).items():
        path = drawn[f"Histogram of {score}"] = folder / f"histogram_{name}.png"
        threshold = result.figures[score][THRESHOLD]
        figure = draw_score_histogram(result.histograms[score], f"{title}: {score}", threshold)
        write_figure(figure, path)
    first = next(iter(result.histograms))
    value_range = score_limits(result.histograms[first])
    for kind in ("best", "worst"):
        if frames := result.frames.get(kind):
            path = drawn[f"{kind.capitalize()} images by AP of {first}"] = folder / f"{kind}.png"
            figure = draw_frames(frames, f"{title}: {kind} by AP of {first}", value_range)
            write_figure(figure, path)
    return drawn


def file_names(scores: Iterable[str]) -> dict[str, str]:
    """A name for each score that any file system accepts; no two scores share one."""
    names: dict[str, str] = {}
    taken: set[str] = set()  # case folded: some file systems do not distinguish a from A
    for score in scores:
        base = name = re.sub(r"[^A-Za-z0-9_.-]+", "_", score)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name.casefold())
        names[score] = name
    return names


def score_limits(histogram: ScoreHistogram) -> tuple[float, float]:
    """A colour range for all images: percentiles 1 and 99 of the pixels, never quite equal."""
    low, high = histogram.percentiles(_PERCENTILES)
    return (low, high) if low < high else (low, low + max(abs(low), 1.0) * 1e-3)
