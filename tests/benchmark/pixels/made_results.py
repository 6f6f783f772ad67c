"""Hand-made results of data sets, and the figures of scikit-learn for them."""

import json
import math

import cv2
import numpy as np
from sklearn import metrics as sk

from mmosr.benchmark.pixels.result import DatasetResult
from mmosr.evaluation.curves import figures
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.visualization.frames import Frame

RUN = {
    "config": "configs/my_model.py",
    "config_sha256": "c0ffee" + 58 * "1",
    "checkpoint": "iter_1000.pth",
    "checkpoint_sha256": "abcdef" + 58 * "2",
    "scores": ["good", "odd|name"],
    "versions": {"mmosr": "0.1.0", "torch": "2.15.0+cpu"},
}
LABEL = np.array([[0, 254, 254], [255, 0, 0]], np.uint8)
COMPONENTS = {
    "good": {"sIoU": 0.5, "PPV": 0.25, "F1*": 0.125},
    "odd|name": {"sIoU": 0.4, "PPV": math.nan, "F1*": 0.25},
}


def samples(seed=0, size=4000):
    """Truth, and a good and a bad score; the last has more float32 values than 512 cells."""
    rng = np.random.default_rng(seed)
    unknown = rng.random(size) < 0.1
    good = (rng.normal(size=size) + 2 * unknown).astype(np.float32)
    bad = (100 + rng.normal(size=size) + 0.5 * unknown).astype(np.float32)
    return unknown, {"good": good, "odd|name": bad}


def frame(folder, ap):
    path = folder / f"image {ap}.png"
    cv2.imwrite(str(path), np.full((2, 3, 3), 90, np.uint8))
    return Frame(path, LABEL, np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), f"AP {ap} %")


def make(name, protocol, unknown, scores, *, max_cells=None, closed_set=None, frames=None, **more):
    histograms = {
        key: ScoreHistogram.from_scores(values, unknown, max_cells)
        for key, values in scores.items()
    }
    first = next(iter(scores))
    image = {"image": "/data/a, b.png", "score": first, "known": 3, "unknown": 2}
    return DatasetResult(
        name=name,
        protocol=protocol,
        images=7,
        known=int((~unknown).sum()),
        unknown=int(unknown.sum()),
        ignored=1000,
        closed_set=closed_set,
        histograms=histograms,
        figures={key: {**figures(h), **more.get(key, {})} for key, h in histograms.items()},
        per_image=[
            {**image, **figures(ScoreHistogram.from_scores([5, 3, 4, 2, 1], [1, 1, 0, 0, 0]))},
            {**image, "unknown": 0, **figures(ScoreHistogram.from_scores([1, 2, 3], [0, 0, 0]))},
        ],
        frames=frames or {"best": [], "worst": []},
    )


def expected(unknown, score):
    """scikit-learn's figures in percent."""
    fpr, tpr, _ = sk.roc_curve(unknown, score, drop_intermediate=False)
    precision, recall, thresholds = sk.precision_recall_curve(unknown, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    accepted, rejected, _ = sk.roc_curve(~unknown, -score, drop_intermediate=False)[:3]
    return {
        "AUROC": 100 * sk.roc_auc_score(unknown, score),
        "AP": 100 * sk.average_precision_score(unknown, score),
        "AUPR-In": 100 * sk.average_precision_score(~unknown, -score),
        "FPR95": 100 * fpr[np.argmax(tpr >= 0.95)],
        "TNR95": 100 * (1 - accepted[np.argmax(rejected >= 0.95)]),
        "F1": 100 * f1.max(),
        "F1-threshold": thresholds[np.argmax(f1)],
    }


def strict_json(path):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
