"""What the tests of figures share: scores, and what a figure shows."""

import numpy as np

from mmosr.evaluation.histogram import ScoreHistogram

TEN = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]  # scores of ten pixels


def histogram_of(scores, unknown):
    return ScoreHistogram.from_scores(np.asarray(scores, np.float32), np.asarray(unknown, bool))


def gaussian(count=20_000, share=0.05, shift=2.0, seed=0):
    rng = np.random.default_rng(seed)
    unknown = rng.random(count) < share
    scores = (rng.normal(size=count) + shift * unknown).astype(np.float32)
    return scores, unknown


def legend_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}
