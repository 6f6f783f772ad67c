"""Figures of a trial."""

import csv

import cv2
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from mmosr.benchmark.images.plots import write_plots
from mmosr.evaluation import ScoreHistogram
from mmosr.evaluation.image_table import ImageTable
from mmosr.visualization import draw_roc, draw_score_histogram, write_figure

CLASSES = ["cat", "dog", "frog"]


@pytest.fixture
def table():
    generator = np.random.default_rng(0)
    truth, predictions = generator.integers(-1, 3, 200), generator.integers(0, 3, 200)
    scores = {name: generator.normal(size=200).astype(np.float32) for name in ("msp", "a/b")}
    return ImageTable([""] * 200, truth, predictions, scores)


def thresholds_of(table):
    return {"msp": 0.5, "a/b": float(table.scores["a/b"][7])}  # an equal score is accepted


def test_confusion_matrices(table, tmp_path):
    """Counts at each score's threshold, against scikit-learn."""
    truth, predictions, scores = table.truth, table.predictions, table.scores
    thresholds = thresholds_of(table)
    write_plots(tmp_path, table, CLASSES, thresholds, "a title")
    for name, file in (("msp", "confusion_msp"), ("a/b", "confusion_a%2Fb")):
        rejected = np.where(scores[name] > thresholds[name], 3, predictions)
        expected = confusion_matrix(np.where(truth < 0, 3, truth), rejected, labels=range(4))
        with (tmp_path / f"{file}.csv").open(newline="") as content:
            header, *rows = csv.reader(content)
        assert header == ["true class", *CLASSES, "unknown"]
        assert [row[0] for row in rows] == header[1:]
        assert [[int(count) for count in row[1:]] for row in rows] == expected.tolist()
        assert cv2.imread(str(tmp_path / f"{file}.png")).std() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confusion_a%2Fb.csv",
        "confusion_a%2Fb.png",
        "confusion_msp.csv",
        "confusion_msp.png",
        "histogram_a%2Fb.png",
        "histogram_msp.png",
        "roc.png",
    ]


def test_curves_and_histograms_are_of_images(table, tmp_path):
    """The pictures are those of all images, counted as images, with the threshold of the score."""
    thresholds = thresholds_of(table)
    write_plots(tmp_path / "found", table, CLASSES, thresholds, "a title")
    unknown = table.truth < 0
    histograms = {
        name: ScoreHistogram.from_scores(values, unknown, max_cells=None)
        for name, values in table.scores.items()
    }
    expected = tmp_path / "expected.png"
    write_figure(draw_roc(histograms, "a title", "images"), expected)
    assert expected.read_bytes() == (tmp_path / "found/roc.png").read_bytes()
    for name, file in (("msp", "msp"), ("a/b", "a%2Fb")):
        title = f"a title: {name}"
        figure = draw_score_histogram(histograms[name], title, thresholds[name], "images")
        write_figure(figure, expected)
        assert expected.read_bytes() == (tmp_path / f"found/histogram_{file}.png").read_bytes()
