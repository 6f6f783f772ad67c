"""Figures of an analysis, drawn from arrays, so that tests can read them back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmosr.visualization.figure_parts import (
    KNOWN_COLOR,
    UNKNOWN_COLOR,
    add_legend,
    draw_shares,
    make_panels,
    robust_range,
)

WIDTH = 6.4  # of a panel, in inches
BINS = 40
TAIL = 0.005  # share that a histogram may leave out at each end
UNKNOWN_GREY = "0.6"
NAMED_CLASSES = 20  # more have no legend


def draw_histograms(
    samples: Mapping[str, np.ndarray], title: str, quantity: str, note: str = ""
) -> Figure:
    """Distributions of known and unknown images, as shares of each, and their means.

    Equal bins, 40 or fewer for under 400 images, between the 0.5 % and 99.5 % quantiles of all
    values, each sample with half of the weight. The shares are of all images of a sample; the
    caption gives those outside the bins.

    Args:
        samples: Values ``(N,)`` under ``'known'`` and ``'unknown'``; empty ones are left out.
        title: Title of the figure.
        quantity: Label of the axis.
        note: Added to the caption.
    """
    samples = {name: values for name, values in samples.items() if len(values)}
    colors = {"known": KNOWN_COLOR, "unknown": UNKNOWN_COLOR}
    figure, (axes,) = make_panels(title, 1, WIDTH)
    edges = _edges(list(samples.values()))
    outside = []
    for name, values in samples.items():
        share = np.histogram(values, edges)[0] / len(values)
        label = f"{name} ({len(values):,} images), mean {values.mean():.4g}"
        draw_shares(axes, share, edges, colors[name], label)
        axes.axvline(values.mean(), color=colors[name], linestyle="--", linewidth=1.2)
        outside.append(f"{100 * max(1 - share.sum(), 0):.1f} % of {name}")
    margin = edges[1] - edges[0]
    axes.set_xlim(edges[0] - margin, edges[-1] + margin)
    axes.set_xlabel(quantity)
    axes.set_ylabel("Share of the images")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    caption = f"dashed: means; outside the range: {', '.join(outside)}"
    add_legend(figure, axes, f"{caption}\n{note}" if note else caption)
    return figure


def draw_interpolation(
    steps: np.ndarray, norms: np.ndarray, means: Mapping[str, float], title: str, quantity: str
) -> Figure:
    """Norm against t: mean over the paths, and the band between the quartiles (figure 3).

    Args:
        steps: Values of t, ``(S,)``.
        norms: Norms ``(P, S)``.
        means: Means over the images, drawn as dotted lines: ``'known'``, ``'unknown'``.
        title: Title of the figure.
        quantity: Label of the axis.
    """
    figure, (axes,) = make_panels(title, 1, WIDTH)
    low, high = np.quantile(norms, [0.25, 0.75], axis=0)
    band = to_rgba(KNOWN_COLOR, 0.2)
    axes.fill_between(steps, low, high, color=band, lw=0, label="quartiles over the paths")
    axes.plot(
        steps,
        norms.mean(0),
        "o-",
        color=KNOWN_COLOR,
        ms=4,
        clip_on=False,
        label="mean over the paths",
    )
    for name, color in (("known", KNOWN_COLOR), ("unknown", UNKNOWN_COLOR)):
        if name in means:
            axes.axhline(
                means[name], color=color, linestyle=":", linewidth=1.4, label=f"{name} images, mean"
            )
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("t: from an image of one known class to one of another")
    axes.set_ylabel(quantity)
    add_legend(figure, axes, f"{len(norms)} pairs of images of different known classes", ncols=2)
    return figure


def draw_map(
    points: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    norms: np.ndarray,
    title: str,
    quantity: str,
) -> Figure:
    """t-SNE twice: coloured by class, unknown in grey, and by the Jacobian norm (figure 13).

    The colours of the norm end at its 1 % and 99 % quantiles.

    Args:
        points: Points ``(N, 2)``.
        labels: Labels ``(N,)``, known or -1.
        classes: Names of the known classes.
        norms: Norms ``(N,)``.
        title: Title of the figure.
        quantity: Label of the colour bar.
    """
    figure, (left, right) = make_panels(title, 2, WIDTH)
    size = 14 if len(points) <= 2000 else 5
    palette = _palette(len(classes))
    unknown = labels < 0
    style = {"s": size, "linewidths": 0}
    left.scatter(*points[unknown].T, color=UNKNOWN_GREY, alpha=0.7, **style)
    left.scatter(*points[~unknown].T, color=palette[labels[~unknown]], alpha=0.9, **style)
    low, high = np.quantile(norms, [0.01, 0.99])
    # The largest on top: single large values are of interest.
    order = np.argsort(norms)
    shown = right.scatter(
        *points[order].T, c=norms[order], cmap="viridis", vmin=low, vmax=high, **style
    )
    figure.colorbar(shown, ax=right, label=quantity, extend="both", shrink=0.85)
    for axes, name in ((left, "by class"), (right, "by Jacobian norm")):
        axes.set_title(name, fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_aspect("equal", adjustable="datalim")
    named = dict(zip(classes, palette, strict=True)) if len(classes) <= NAMED_CLASSES else {}
    if unknown.any():
        named["unknown"] = to_rgba(UNKNOWN_GREY)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=color, label=name)
        for name, color in named.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize=9)
    return figure


def _palette(classes: int) -> np.ndarray:
    """One colour per class ``(C, 4)``, none of them grey."""
    if classes <= 9:
        # tab10 without its grey
        return np.array([colormaps["tab10"](i) for i in range(10) if i != 7])[:classes]
    return colormaps["hsv"](np.arange(classes) / classes)


def _edges(samples: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate(samples)
    weights = np.concatenate([np.full(len(sample), 1 / len(sample)) for sample in samples])
    order = np.argsort(values)
    low, high = robust_range(values[order], weights[order] / len(samples), TAIL)
    bins = min(BINS, 2 * math.isqrt(min(map(len, samples))))
    return np.linspace(low, math.nextafter(high, math.inf), bins + 1)
