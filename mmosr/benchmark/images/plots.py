"""Plots of one trial: ROC curves, and a histogram and confusion matrix per score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from mmosr.evaluation import ScoreHistogram
from mmosr.evaluation.image_table import ImageTable
from mmosr.evaluation.rejection import confusion_matrix, reject
from mmosr.runs.tables import write_csv
from mmosr.utils import UNKNOWN
from mmosr.visualization import draw_roc, draw_score_histogram, write_figure
from mmosr.visualization.confusion import UNKNOWN_NAME, draw_confusion_matrix

UNIT = "images"


def write_plots(
    folder: Path,
    table: ImageTable,
    classes: Sequence[str],
    thresholds: Mapping[str, float],
    title: str,
) -> None:
    """Write ``roc.png`` and, for every score, a histogram and a confusion matrix, each atomically.

    These are ``histogram_SCORE.png``, and ``confusion_SCORE.png`` and ``.csv``: counts, with true
    classes in rows and unknown last.

    Args:
        table: Table of the test images.
        classes: Names of the known classes by label.
        thresholds: Threshold per score; images above it are unknown.
        title: Title of the trial.
    """
    unknown, names = table.truth == UNKNOWN, [*classes, UNKNOWN_NAME]
    histograms = {
        name: ScoreHistogram.from_scores(values, unknown, max_cells=None)
        for name, values in table.scores.items()
    }
    write_figure(draw_roc(histograms, title, UNIT), folder / "roc.png")
    for name, values in table.scores.items():
        file, threshold = quote(name, safe=""), thresholds[name]
        path = folder / f"histogram_{file}.png"
        figure = draw_score_histogram(histograms[name], f"{title}: {name}", threshold, UNIT)
        write_figure(figure, path)
        predictions = reject(values, table.predictions, threshold)
        matrix = confusion_matrix(table.truth, predictions, len(classes))
        path = folder / f"confusion_{file}.png"
        rule = f"{title}: {name}, unknown above {threshold:.4g}"
        write_figure(draw_confusion_matrix(matrix, classes, rule), path)
        rows = ([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
        write_csv(path.with_suffix(".csv"), rows, ["true class", *names])
