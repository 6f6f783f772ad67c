"""ROC and precision-recall curves and histograms of anomaly scores, as figures and files.

Each plot is a function that makes a matplotlib figure and one that writes it. The figures come
from a :class:`~mmosr.evaluation.ScoreHistogram`, so that a plot of a billion pixels costs no more
than one of a million. Unknown is the positive class.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import cycle, product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from mmosr.evaluation.curves import (
    auroc,
    average_precision,
    best_f1,
    fpr_at_tpr,
    precision_recall_curve,
    roc_curve,
)
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError, atomic_write

# Okabe and Ito, "Color Universal Design", without yellow, which is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
KNOWN_COLOR, UNKNOWN_COLOR = COLORS[0], COLORS[1]
DPI = 150
COLUMNS = 2000  # more than a panel has pixels
BINS = 100
TAIL = 0.01  # share of the pixels that a histogram may leave out at either end
LOWEST_FPR = 1e-5
LOWEST_SHARE = 1e-5


def write_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure, whole; the suffix of the path chooses the format, such as png or pdf."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def plot_roc(histograms: Mapping[str, ScoreHistogram], path: str | os.PathLike, title: str) -> None:
    """Write :func:`draw_roc`."""
    write_figure(draw_roc(histograms, title), path)


def plot_precision_recall(
    histograms: Mapping[str, ScoreHistogram], path: str | os.PathLike, title: str
) -> None:
    """Write :func:`draw_precision_recall`."""
    write_figure(draw_precision_recall(histograms, title), path)


def plot_score_histogram(
    histogram: ScoreHistogram,
    path: str | os.PathLike,
    title: str,
    threshold: float | None = None,
) -> None:
    """Write :func:`draw_score_histogram`."""
    write_figure(draw_score_histogram(histogram, title, threshold), path)


def draw_roc(histograms: Mapping[str, ScoreHistogram], title: str) -> Figure:
    """ROC curves of several scores of the same pixels.

    The left panel has a linear axis, whose area is the AUROC; the right one shows the low false
    positive rates, which matter when most pixels are known, on a logarithmic axis down to one
    known pixel or 1e-5. A dot marks the FPR95, with the rule of
    :func:`~mmosr.evaluation.curves.fpr_at_tpr`.

    Args:
        histograms: The histogram of every score, by name.
        title: Title of the figure.

    Raises:
        InputError: No score, no known or no unknown pixel, or scores of different pixels.
    """
    _check_same_pixels(histograms)
    figure, (linear, logarithmic) = _panels(title, 2)
    lowest = max(LOWEST_FPR, 1 / next(iter(histograms.values())).num_known)
    lowest = 10.0 ** math.floor(min(math.log10(lowest), -1))
    for (name, histogram), style in zip(histograms.items(), _styles(), strict=False):
        fpr, tpr, _ = roc_curve(histogram)
        at_95 = fpr_at_tpr(histogram)
        reached = tpr[np.searchsorted(tpr, 0.95)]
        label = f"{name}: AUROC {_percent(auroc(histogram))}, FPR95 {_percent(at_95)}"
        linear.plot(*thin(fpr, tpr), label=label, **style)
        logarithmic.plot(*_low_rates(fpr, tpr, lowest), **style)
        for axes, left in ((linear, 0), (logarithmic, lowest)):
            axes.plot(max(at_95, left), reached, "o", color=style["color"], clip_on=False)
    diagonal = np.geomspace(lowest, 1, 200)
    for axes, x in ((linear, [0, 1]), (logarithmic, diagonal)):
        axes.axhline(0.95, color="0.6", linewidth=0.8, linestyle=":")
        axes.plot(x, x, color="0.6", linewidth=0.8)
        axes.set_xlabel("False positive rate")
        axes.set_ylabel("True positive rate")
    logarithmic.set_xscale("log")
    logarithmic.set_xlim(lowest, 1.1)
    logarithmic.xaxis.set_major_locator(LogLocator(numticks=8))
    _add_legend(
        figure,
        linear,
        "dots: FPR95, the first threshold with a true positive rate of at least 95 %",
        ncols=2,
    )
    return figure


def draw_precision_recall(histograms: Mapping[str, ScoreHistogram], title: str) -> Figure:
    """Precision-recall curves of several scores of the same pixels.

    Steps, so that the area under a curve is its average precision. A dot marks the best F1, a
    dashed line the precision of chance: the share of unknown pixels. The axis of the precision ends
    at 1, or lower where all curves stay far below it beyond a recall of 2 %.

    Args:
        histograms: The histogram of every score, by name.
        title: Title of the figure.

    Raises:
        InputError: No score, no known or no unknown pixel, or scores of different pixels.
    """
    _check_same_pixels(histograms)
    figure, (axes,) = _panels(title, 1)
    highest = 0.0
    for (name, histogram), style in zip(histograms.items(), _styles(), strict=False):
        precision, recall, thresholds = precision_recall_curve(histogram)
        f1, threshold = best_f1(histogram)
        # Nothing is selected at the first point: no precision is measured there.
        precision[0] = precision[1]
        label = f"{name}: AP {_percent(average_precision(histogram))}, best F1 {_percent(f1)}"
        axes.plot(*thin(recall, precision), drawstyle="steps-pre", label=label, **style)
        best = int(np.flatnonzero(thresholds == np.float32(threshold))[0])
        axes.plot(recall[best], precision[best], "o", color=style["color"], clip_on=False)
        # The first few pixels may reach any precision, and would flatten the rest.
        highest = max(highest, precision[recall >= 0.02].max(), precision[best])
    if highest < 0.5:
        axes.set_ylim(-0.01 * highest, 1.25 * highest)
    first = next(iter(histograms.values()))
    chance = first.num_unknown / (first.num_known + first.num_unknown)
    label = f"chance: {_percent(chance)} of the pixels are unknown"
    axes.axhline(chance, color="0.4", linewidth=1, linestyle=(0, (2, 3)), label=label)
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision")
    _add_legend(figure, axes, "dots: best F1")
    return figure


def draw_score_histogram(
    histogram: ScoreHistogram, title: str, threshold: float | None = None
) -> Figure:
    """Distribution of a score over known and over unknown pixels.

    100 equal bins between the 1 % and 99 % quantiles of the score, pooled with half of the weight
    for each class: unknown pixels, often one in a hundred, would otherwise lie beyond the end. The
    shares of a class are of all its pixels, also of those outside the bins, whose share stands in
    the caption. The right panel repeats the left one on a logarithmic axis.

    Args:
        histogram: The score; one of the classes may be empty.
        title: Title of the figure.
        threshold: Draw a line at this score.

    Raises:
        InputError: The histogram is empty.
    """
    classes = _classes(histogram)
    if not classes:
        raise InputError("the score histogram is empty: it holds no pixel to draw")
    scores = histogram.thresholds.astype(np.float64)
    edges = bin_edges(scores, [counts for _, counts, _ in classes])
    figure, panels = _panels(title, 2)
    shares = {
        name: np.histogram(scores, edges, weights=counts)[0] / counts.sum()
        for name, counts, _ in classes
    }
    for axes, (name, counts, color) in product(panels, classes):
        label = f"{name} ({counts.sum():,} pixels)"
        face = to_rgba(color, 0.35)
        axes.stairs(shares[name], edges, fill=True, fc=face, ec=color, lw=1.2, label=label)
    width = (edges[-1] - edges[0]) / BINS
    for axes in panels:
        if threshold is not None:
            _mark_threshold(axes, threshold, edges)
        axes.set_xlim(edges[0] - width, edges[-1] + width)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("Anomaly score")
    _scale_shares(panels, np.array(list(shares.values())))
    outside = [f"{_percent(max(1 - share.sum(), 0))} of {name}" for name, share in shares.items()]
    caption = f"{BINS} bins of width {width:.3g}; outside: {', '.join(outside)}"
    _add_legend(figure, panels[0], caption, ncols=3)
    return figure


def thin(x: np.ndarray, y: np.ndarray, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Drop points of a curve that no eye can see.

    Of all points in one of ``columns`` equal intervals of x, the first, the last and those of the
    smallest and largest y stay (M4: Jugel et al., VLDB 2014). Between the columns the curve is
    unchanged, within one it covers the same range.

    Args:
        x: Not decreasing, shape (N,).
        y: Shape (N,).
        columns: Intervals between the first and the last x.

    Returns:
        x and y of at most ``4 * columns + 4`` points, in their order.
    """
    if x.size <= 4 * columns:
        return x, y
    width = (x[-1] - x[0]) / columns
    column = np.floor((x - x[0]) / width) if width else np.zeros_like(x)
    starts = np.flatnonzero(np.append(True, column[1:] != column[:-1]))
    by_value = np.lexsort((y, column))  # the columns stay in their places
    ends = np.append(starts[1:], x.size) - 1
    kept = np.unique(np.concatenate([starts, ends, by_value[starts], by_value[ends]]))
    return x[kept], y[kept]


def bin_edges(scores: np.ndarray, classes: list[np.ndarray]) -> np.ndarray:
    """Edges of equal bins between robust quantiles, each class with the same weight.

    Args:
        scores: Increasing, shape (K,).
        classes: Pixels of each class at every score, each of shape (K,).

    Returns:
        float64 of shape (BINS + 1,).
    """
    weights = np.cumsum(sum(counts / counts.sum() for counts in classes) / len(classes))
    low, high = scores[np.searchsorted(weights, [TAIL, 1 - TAIL])]
    if low == high:  # almost constant: a bin around the value, whatever its size
        margin = max(abs(low) * 1e-3, 1e-6)
        low, high = low - margin, high + margin
    return np.linspace(low, high, BINS + 1)


def _check_same_pixels(histograms: Mapping[str, ScoreHistogram]) -> None:
    if not histograms:
        raise InputError("there is no score to plot")
    pixels = {name: (h.num_known, h.num_unknown) for name, h in histograms.items()}
    for name, (known, unknown) in pixels.items():
        if not known or not unknown:
            missing = "known" if not known else "unknown"
            raise InputError(f"score '{name}' has no {missing} pixel: its curves are undefined")
    if len(set(pixels.values())) > 1:
        raise InputError(f"the scores count different (known, unknown) pixels: {pixels}")


def _classes(histogram: ScoreHistogram) -> list[tuple[str, np.ndarray, str]]:
    named = (
        ("known", histogram.known, KNOWN_COLOR),
        ("unknown", histogram.unknown, UNKNOWN_COLOR),
    )
    return [entry for entry in named if entry[1].any()]


def _low_rates(fpr: np.ndarray, tpr: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """A ROC curve for a logarithmic axis that begins at ``lowest``.

    The straight lines between the points of a curve are none on a logarithmic axis.
    """
    between = np.geomspace(lowest, 1, 500)
    x = np.concatenate([fpr, between])
    y = np.concatenate([tpr, np.interp(between, fpr, tpr)])
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    visible = x >= lowest
    log_x, y = thin(np.log10(x[visible]), y[visible])
    return 10**log_x, y


def _scale_shares(panels: list[Axes], shares: np.ndarray) -> None:
    """Fit the linear and the logarithmic panel to shares of shape (classes, BINS)."""
    highest = shares.max()
    panels[0].set_ylim(0, 1.05 * highest)
    panels[1].set_yscale("log")
    # Two powers of ten at least, so that the axis has ticks.
    lowest = min(shares[shares > 0].min() / 2, highest / 100)
    panels[1].set_ylim(max(lowest, LOWEST_SHARE), 2 * highest)
    panels[1].yaxis.set_minor_formatter(NullFormatter())
    for axes in panels:
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axes.set_ylabel("Share of the pixels of the class")


def _mark_threshold(axes: Axes, threshold: float, edges: np.ndarray) -> None:
    shown = edges[0] <= threshold <= edges[-1]
    label = f"threshold {threshold:.4g}" + ("" if shown else " (outside the range)")
    axes.axvline(threshold, color="black", linewidth=1.2, linestyle="--", label=label)


def _panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(5.2 * count, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in panels:
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(-0.01, 1.01)  # a curve along the border is seen whole
        axes.set_ylim(-0.01, 1.01)
    return figure, panels


def _styles() -> cycle:
    return cycle(
        {"color": color, "linestyle": line, "linewidth": 1.6}
        for line, color in product(LINE_STYLES, COLORS)
    )


def _add_legend(figure: Figure, axes: Axes, caption: str, ncols: int = 1) -> None:
    """Below the panels: curves may run through any corner of them."""
    style = {"frameon": False, "fontsize": 9, "title": caption, "title_fontsize": 9}
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=ncols, **style
    )


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
