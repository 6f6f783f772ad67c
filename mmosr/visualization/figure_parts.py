"""What the figures of curves and of histograms share: colours, panels, legend and file."""

from __future__ import annotations

import os

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmosr.runs.files import atomic_write

# Okabe and Ito, "Color Universal Design", without yellow, which is too pale for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
KNOWN_COLOR, UNKNOWN_COLOR = COLORS[0], COLORS[1]
DPI = 150


def write_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure, whole; the suffix of the path chooses the format, such as png or pdf."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def make_panels(title: str, count: int, width: float = 5.2) -> tuple[Figure, list[Axes]]:
    """A figure and its panels side by side, each of this width in inches."""
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


def percent(value: float) -> str:
    """A share for people: ``'94.44 %'``."""
    return f"{100 * value:.2f} %"
