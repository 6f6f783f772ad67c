"""Figures of a trial."""

import csv

import cv2
import numpy as np
from sklearn.metrics import confusion_matrix

from mmosr.evaluation.image_table import ImageTable
from mmosr.recognition_protocol.plots import write_plots

CLASSES = ["cat", "dog", "frog"]


def test_confusion_matrices(tmp_path):
    """Counts at each score's threshold, against scikit-learn."""
    generator = np.random.default_rng(0)
    truth, predictions = generator.integers(-1, 3, 200), generator.integers(0, 3, 200)
    scores = {name: generator.normal(size=200).astype(np.float32) for name in ("msp", "a/b")}
    thresholds = {"msp": 0.5, "a/b": float(scores["a/b"][7])}  # an equal score is accepted
    table = ImageTable([""] * 200, truth, predictions, scores)
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
        "roc.png",
    ]
