"""What the figures of curves and of histograms share: colours, panels, legend and file."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mmosr.runs.files import atomic_write

# Okabe and Ito, "Color Universal Design", without yellow, which is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
KNOWN_COLOR, UNKNOWN_COLOR = COLORS[0], COLORS[1]
DPI = 150


def write_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure atomically; the suffix of the path sets the format, such as png or pdf."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def make_panels(title: str, count: int, width: float = 5.2) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, each of this width in inches."""
    figure = Figure(figsize=(width * count, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in panels:
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def add_legend(figure: Figure, axes: Axes, caption: str, ncols: int = 1) -> None:
    """Add a legend below the panels: curves may run through any corner of them."""
    style = {"frameon": False, "fontsize": 9, "title": caption, "title_fontsize": 9}
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=ncols, **style
    )


def draw_shares(axes: Axes, shares: np.ndarray, edges: np.ndarray, color: str, label: str) -> None:
    """Draw a histogram of shares, translucent so that another one shows through."""
    face = to_rgba(color, 0.35)
    axes.stairs(shares, edges, fill=True, fc=face, ec=color, lw=1.2, label=label)


def robust_range(values: np.ndarray, weights: np.ndarray, tail: float) -> tuple[float, float]:
    """The quantiles ``tail`` and ``1 - tail``, apart at least a little.

    Args:
        values: Increasing, shape (K,).
        weights: Weight of each value; their sum is 1.
        tail: Share that is left out at each end.
    """
    low, high = values[np.searchsorted(np.cumsum(weights), [tail, 1 - tail])]
    if low == high:  # almost constant: a range around the value, whatever its size
        margin = max(abs(low) * 1e-3, 1e-6)
        low, high = low - margin, high + margin
    return low, high


def percent(value: float) -> str:
    """A share as text: ``'94.44 %'``."""
    return f"{100 * value:.2f} %"
