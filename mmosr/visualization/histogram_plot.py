"""Histogram of an anomaly score over known and over unknown pixels or images."""

from __future__ import annotations

from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError

from .figure_parts import (
    KNOWN_COLOR,
    UNKNOWN_COLOR,
    add_legend,
    draw_shares,
    make_panels,
    percent,
    robust_range,
)

BINS = 100
TAIL = 0.01  # share of the samples that a histogram may leave out at each end
LOWEST_SHARE = 1e-5


def draw_score_histogram(
    histogram: ScoreHistogram,
    title: str,
    threshold: float | None = None,
    unit: str = "pixels",
) -> Figure:
    """Distribution of a score over known and over unknown pixels or images.

    100 equal bins between the 1 % and 99 % quantiles of the score, pooled with half of the weight
    for each class: unknown pixels, often one in a hundred, would otherwise lie beyond the end. The
    shares of a class are relative to all its pixels, including those outside the bins; the caption
    gives their share. The right panel repeats the left one on a logarithmic axis.

    Args:
        histogram: The score; one of the classes may be empty.
        title: Title of the figure.
        threshold: Draw a line at this score.
        unit: What the histogram counts, in the plural.

    Raises:
        InputError: The histogram is empty.
    """
    both = (
        ("known", histogram.known, KNOWN_COLOR),
        ("unknown", histogram.unknown, UNKNOWN_COLOR),
    )
    classes = [(name, counts, color) for name, counts, color in both if counts.any()]
    if not classes:
        raise InputError(f"the score histogram is empty: it has no {unit} to draw")
    scores = histogram.thresholds.astype(np.float64)
    weights = sum(counts / counts.sum() for _, counts, _ in classes) / len(classes)
    edges = np.linspace(*robust_range(scores, weights, TAIL), BINS + 1)
    figure, panels = make_panels(title, 2)
    shares = {
        name: np.histogram(scores, edges, weights=counts)[0] / counts.sum()
        for name, counts, _ in classes
    }
    for axes, (name, counts, color) in product(panels, classes):
        label = f"{name} ({counts.sum():,} {unit})"
        draw_shares(axes, shares[name], edges, color, label)
    width = (edges[-1] - edges[0]) / BINS
    for axes in panels:
        if threshold is not None:
            _mark_threshold(axes, threshold, edges)
        axes.set_xlim(edges[0] - width, edges[-1] + width)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("Anomaly score")
        axes.set_ylabel(f"Share of the {unit} of the class")
    _scale_shares(panels, np.array(list(shares.values())))
    outside = [f"{percent(max(1 - share.sum(), 0))} of {name}" for name, share in shares.items()]
    caption = f"{BINS} bins of width {width:.3g}; outside: {', '.join(outside)}"
    add_legend(figure, panels[0], caption, ncols=3)
    return figure


def _scale_shares(panels: list[Axes], shares: np.ndarray) -> None:
    """Fit the linear and the logarithmic panel to shares of shape (classes, BINS)."""
    highest = shares.max()
    panels[0].set_ylim(0, 1.05 * highest)
    panels[1].set_yscale("log")
    # At least two powers of ten, so that the axis has ticks.
    lowest = min(shares[shares > 0].min() / 2, highest / 100)
    panels[1].set_ylim(max(lowest, LOWEST_SHARE), 2 * highest)
    panels[1].yaxis.set_minor_formatter(NullFormatter())
    for axes in panels:
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")


def _mark_threshold(axes: Axes, threshold: float, edges: np.ndarray) -> None:
    shown = edges[0] <= threshold <= edges[-1]
    label = f"threshold {threshold:.4g}" + ("" if shown else " (outside the range)")
    axes.axvline(threshold, color="black", linewidth=1.2, linestyle="--", label=label)
