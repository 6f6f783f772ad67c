"""Figures of one trial: confusion matrices with the unknown class, and ROC curves."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from mmosr.evaluation import ScoreHistogram
from mmosr.evaluation.image_table import ImageTable
from mmosr.evaluation.rejection import UNKNOWN, confusion_matrix, reject
from mmosr.utils import atomic_write
from mmosr.visualization import plot_roc
from mmosr.visualization.confusion import UNKNOWN_NAME, plot_confusion_matrix


def write_plots(
    folder: Path,
    table: ImageTable,
    classes: Sequence[str],
    thresholds: Mapping[str, float],
    title: str,
) -> None:
    """Write ``roc.png``, and ``confusion_SCORE.png`` and ``.csv`` of every score, each whole.

    Args:
        folder: Of the files.
        table: Of the test images.
        classes: Names of the known classes by label.
        thresholds: By score; images above are unknown.
        title: Of the trial.
    """
    unknown = table.truth == UNKNOWN
    plot_roc(
        {
            name: ScoreHistogram.from_scores(values, unknown, max_cells=None)
            for name, values in table.scores.items()
        },
        folder / "roc.png",
        title,
    )
    for name, values in table.scores.items():
        predictions = reject(values, table.predictions, thresholds[name])
        matrix = confusion_matrix(table.truth, predictions, len(classes))
        path = folder / f"confusion_{quote(name, safe='')}.png"
        rule = f"{title}: {name}, unknown above {thresholds[name]:.4g}"
        plot_confusion_matrix(matrix, classes, path, rule)
        write_confusion_matrix(matrix, classes, path.with_name(f"{path.stem}.csv"))


def write_confusion_matrix(matrix: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """Write the counts with their names, true classes in rows, unknown last; whole."""
    names = [*classes, UNKNOWN_NAME]
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true class", *names])
        writer.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
