"""Scores, predictions and truth of images, and OSCR pair by pair."""

import numpy as np

from mmosr.evaluation import recognition

# By increasing score: right, unknown, (right, unknown) tied, wrong, right, unknown.
SCORES = np.array([1, 2, 3, 3, 4, 5, 6.0])
TRUTH = np.array([0, -1, 1, -1, 2, 2, -1])
PREDICTIONS = np.array([0, 0, 1, 2, 0, 2, 1])


def random_case(seed, count=400, classes=5, decimals=1):
    """Many ties; unknown images score higher, wrong ones a little."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, classes, count)
    predictions = np.where(
        rng.random(count) < 0.7, truth % classes, rng.integers(0, classes, count)
    )
    scores = rng.normal(size=count) + (truth == -1) + 0.5 * (predictions != truth)
    return np.round(scores, decimals), predictions, truth


def ccr_at_fpr(scores, predictions, truth, rate):
    """The rate of one curve."""
    return recognition.ccr_at_fpr(*recognition.ccr_curve(scores, predictions, truth)[:2], rate)


def oscr(scores, predictions, truth):
    """The area of one curve."""
    return recognition.oscr(*recognition.ccr_curve(scores, predictions, truth)[:2])


def loop_oscr(scores, predictions, truth):
    """Share of (known, unknown) pairs: correctly classified and scored below, ties half."""
    total = pairs = 0
    for score, prediction, label in zip(scores, predictions, truth, strict=True):
        if label == -1:
            continue
        for other in scores[truth == -1]:
            pairs += 1
            if prediction == label:
                total += 1.0 if score < other else 0.5 if score == other else 0.0
    return total / pairs
