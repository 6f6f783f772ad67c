"""ROC and precision-recall curves of anomaly scores, as figures.

They come from a :class:`~mmosr.evaluation.ScoreHistogram`, so plotting a billion pixels costs no
more than a million. Unknown is the positive class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle, product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from mmosr.evaluation.curves import (
    auroc,
    average_precision,
    best_f1,
    fpr_at_tpr,
    precision_recall_curve,
    roc_curve,
)
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError

from .figure_parts import COLORS, add_legend, make_panels, percent

LINE_STYLES = ("-", "--", ":", "-.")
INTERVALS = 2000  # more than a panel has pixels
LOWEST_FPR = 1e-5


def draw_roc(histograms: Mapping[str, ScoreHistogram], title: str, unit: str = "pixels") -> Figure:
    """ROC curves of several scores of the same pixels or images.

    The left panel has a linear axis, so the area is the AUROC; the right one shows the low false
    positive rates, which matter if most pixels are known, on a logarithmic axis down to one known
    pixel or 1e-5. A dot marks the FPR95, with the rule of
    :func:`~mmosr.evaluation.curves.fpr_at_tpr`.

    Args:
        histograms: The histogram of every score, by name.
        title: Title of the figure.
        unit: What the histograms count, in the plural.

    Raises:
        InputError: There are no scores, no known or no unknown units, or scores of different units.
    """
    _check_same_samples(histograms, unit)
    figure, (linear, logarithmic) = _rate_panels(title, 2)
    lowest = max(LOWEST_FPR, 1 / next(iter(histograms.values())).num_known)
    lowest = 10.0 ** math.floor(min(math.log10(lowest), -1))
    for (name, histogram), style in zip(histograms.items(), _styles(), strict=False):
        fpr, tpr, _ = roc_curve(histogram)
        at_95 = fpr_at_tpr(histogram)
        reached = tpr[np.searchsorted(tpr, 0.95)]
        label = f"{name}: AUROC {percent(auroc(histogram))}, FPR95 {percent(at_95)}"
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
    add_legend(
        figure,
        linear,
        "dots: FPR95, the first threshold with a true positive rate of at least 95 %",
        ncols=2,
    )
    return figure


def draw_precision_recall(
    histograms: Mapping[str, ScoreHistogram], title: str, unit: str = "pixels"
) -> Figure:
    """Precision-recall curves of several scores of the same pixels or images.

    Steps, so that the area under a curve is its average precision. A dot marks the best F1, a
    dashed line the precision of chance: the share of unknown pixels. The precision axis ends at 1,
    or lower if all curves stay far below it beyond a recall of 2 %.

    Args:
        histograms: The histogram of every score, by name.
        title: Title of the figure.
        unit: What the histograms count, in the plural.

    Raises:
        InputError: There are no scores, no known or no unknown units, or scores of different units.
    """
    _check_same_samples(histograms, unit)
    figure, (axes,) = _rate_panels(title, 1)
    highest = 0.0
    for (name, histogram), style in zip(histograms.items(), _styles(), strict=False):
        precision, recall, thresholds = precision_recall_curve(histogram)
        f1, threshold = best_f1(histogram)
        # Nothing is selected at the first point: no precision is measured there.
        precision[0] = precision[1]
        label = f"{name}: AP {percent(average_precision(histogram))}, best F1 {percent(f1)}"
        axes.plot(*thin(recall, precision), drawstyle="steps-pre", label=label, **style)
        best = int(np.flatnonzero(thresholds == np.float32(threshold))[0])
        axes.plot(recall[best], precision[best], "o", color=style["color"], clip_on=False)
        # The first few pixels may reach any precision, and would flatten the rest.
        highest = max(highest, precision[recall >= 0.02].max(), precision[best])
    if highest < 0.5:
        axes.set_ylim(-0.01 * highest, 1.25 * highest)
    first = next(iter(histograms.values()))
    chance = first.num_unknown / (first.num_known + first.num_unknown)
    label = f"chance: {percent(chance)} of the {unit} are unknown"
    axes.axhline(chance, color="0.4", linewidth=1, linestyle=(0, (2, 3)), label=label)
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision")
    add_legend(figure, axes, "dots: best F1")
    return figure


def thin(x: np.ndarray, y: np.ndarray, columns: int = INTERVALS) -> tuple[np.ndarray, np.ndarray]:
    """Drop points of a curve that make no visible difference.

    Of all points in each of ``columns`` equal intervals of x, the first, the last and those with
    the smallest and largest y are kept (M4: Jugel et al., VLDB 2014). Between the columns the curve
    is unchanged, within one it covers the same range.

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


def _check_same_samples(histograms: Mapping[str, ScoreHistogram], unit: str) -> None:
    if not histograms:
        raise InputError("there are no scores to plot")
    counts = {name: (h.num_known, h.num_unknown) for name, h in histograms.items()}
    for name, (known, unknown) in counts.items():
        if not known or not unknown:
            missing = "known" if not known else "unknown"
            raise InputError(f"score '{name}' has no {missing} {unit}: its curves are undefined")
    if len(set(counts.values())) > 1:
        raise InputError(f"the scores count different (known, unknown) {unit}: {counts}")


def _low_rates(fpr: np.ndarray, tpr: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """A ROC curve for a logarithmic axis that starts at ``lowest``.

    Straight lines between the points of a curve are not straight on a logarithmic axis.
    """
    between = np.geomspace(lowest, 1, 500)
    x = np.concatenate([fpr, between])
    y = np.concatenate([tpr, np.interp(between, fpr, tpr)])
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    visible = x >= lowest
    log_x, y = thin(np.log10(x[visible]), y[visible])
    return 10**log_x, y


def _rate_panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    figure, panels = make_panels(title, count)
    for axes in panels:
        axes.set_xlim(-0.01, 1.01)  # a curve along the border is fully visible
        axes.set_ylim(-0.01, 1.01)
    return figure, panels


def _styles() -> cycle:
    return cycle(
        {"color": color, "linestyle": line, "linewidth": 1.6}
        for line, color in product(LINE_STYLES, COLORS)
    )
