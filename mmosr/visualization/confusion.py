"""Confusion matrix of known classes and unknown, as a figure (M2IOSR, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mmosr.utils import InputError

CMAP = "Blues"
UNKNOWN_NAME = "unknown"
SEPARATOR = "#D55E00"  # between known and unknown, like the red lines of M2IOSR
EMPTY = "0.9"  # a true class without images
MAX_WRITTEN = 40  # number of classes above which a cell is too small for its number
CELL_INCHES = 0.42
MIN_INCHES, MAX_INCHES = 3.2, 16.0  # of the matrix
DARK = 0.5  # share from which the cell is dark and its number white


def draw_confusion_matrix(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """True classes in rows, predicted ones in columns, unknown last and set apart by two lines.

    Colours and numbers are percentages of the images of the true class, so that a rare class is as
    visible as a frequent one. Empty cells have no number; above 40 classes no cell has. A true
    class without images is grey. The number of images is next to the name of a row.

    Args:
        matrix: Counts of shape (C + 1, C + 1), see
            :func:`~mmosr.evaluation.rejection.confusion_matrix`.
        classes: Names of the C known classes.
        title: Title of the figure.

    Raises:
        InputError: The matrix does not fit the names, or has negative or no counts.
    """
    matrix = np.asarray(matrix)
    size = len(classes) + 1
    if matrix.shape != (size, size):
        raise InputError(
            f"a confusion matrix of {len(classes)} known classes and unknown has shape "
            f"({size}, {size}), got {matrix.shape}."
        )
    if matrix.min() < 0 or not matrix.any():
        raise InputError("the confusion matrix has negative counts or counts no images.")
    totals = matrix.sum(1)
    shares = np.full(matrix.shape, np.nan)
    np.divide(matrix, totals[:, None], out=shares, where=totals[:, None] > 0)

    side = float(np.clip(CELL_INCHES * size, MIN_INCHES, MAX_INCHES))
    figure = Figure(figsize=(side + 2.8, side + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor(EMPTY)
    image = axes.imshow(np.ma.masked_invalid(shares), cmap=CMAP, vmin=0, vmax=1)
    _label_axes(axes, [*classes, UNKNOWN_NAME], totals, fontsize=_font_size(side / size, 9))
    for draw in (axes.axhline, axes.axvline):
        draw(size - 1.5, color=SEPARATOR, linewidth=1.8)
    if size - 1 <= MAX_WRITTEN:
        _write_numbers(axes, shares, fontsize=_font_size(side / size, 8))
    axes.set_title(title, fontsize=12, wrap=True)
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02, format=PercentFormatter(1))
    bar.set_label("share of the true class")
    return figure


def format_share(share: float) -> str:
    """Percentage without sign, short enough for a cell: '', '<1', '7', '93', '>99' or '100'."""
    if share == 0:
        return ""
    if share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 else f"{100 * share:.0f}"


def _label_axes(axes: Axes, names: list[str], totals: np.ndarray, fontsize: float) -> None:
    rows = [f"{name} ({total:,})" for name, total in zip(names, totals, strict=True)]
    positions = range(len(names))
    axes.set_xticks(positions, names, rotation=90 if len(names) > 10 else 45, fontsize=fontsize)
    axes.set_yticks(positions, rows, fontsize=fontsize)
    if len(names) <= 10:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (images)")
    axes.spines[:].set_visible(False)


def _write_numbers(axes: Axes, shares: np.ndarray, fontsize: float) -> None:
    for (row, column), share in np.ndenumerate(np.nan_to_num(shares)):
        axes.text(
            column, row, format_share(share), ha="center", va="center", fontsize=fontsize,
            color="white" if share >= DARK else "black",
        )  # fmt: skip


def _font_size(cell_inches: float, largest: float) -> float:
    """Font size in points with which three characters fit into a cell."""
    return min(largest, 72 * cell_inches / 2.2)
