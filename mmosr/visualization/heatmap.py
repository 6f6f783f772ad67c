"""Anomaly heatmaps: pure functions from arrays to RGB pictures.

The colour range is always an argument. A range taken from each picture would paint the most
anomalous pixel of a normal image as red as a true anomaly, so it is never guessed here.
"""

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from mmosr.utils import InputError

# Perceptually ordered from dark to bright: readable in grey print and for colour-blind readers.
DEFAULT_CMAP = "inferno"
_BAR_DPI = 100
_BAR_WIDTH = 110
_BAR_MIN_HEIGHT = 160


@dataclass(frozen=True)
class HeatmapStyle:
    """How heatmaps are drawn.

    Args:
        cmap: Name of a matplotlib colour map.
        alpha: Weight of the heatmap in the overlay, in [0, 1]; the image has ``1 - alpha``.
        color_bar: Whether to add a labelled colour bar next to the heatmap.

    Raises:
        InputError: Unknown colour map, or ``alpha`` outside [0, 1].
    """

    cmap: str = DEFAULT_CMAP
    alpha: float = 0.5
    color_bar: bool = False

    def __post_init__(self) -> None:
        get_cmap(self.cmap)
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha must lie in [0, 1], got {self.alpha}")


def get_cmap(name: str) -> Colormap:
    """Return the matplotlib colour map ``name``.

    Raises:
        InputError: matplotlib has no such colour map.
    """
    if name not in matplotlib.colormaps:
        raise InputError(
            f"unknown colour map '{name}'; use a name from matplotlib.colormaps, "
            "such as inferno, turbo, viridis or magma"
        )
    return matplotlib.colormaps[name]


def check_range(low: float, high: float, equal: bool = False) -> tuple[float, float]:
    """Return the range as floats if it is usable.

    Raises:
        InputError: A bound is not finite, or ``low`` is not below ``high``, nor equal to it where
            ``equal`` allows that.
    """
    if not (np.isfinite(low) and np.isfinite(high) and (low < high or (equal and low == high))):
        order = "<=" if equal else "<"
        raise InputError(f"a colour range needs finite LO {order} HI, got {low:g} {high:g}")
    return float(low), float(high)


def draw_heatmap(
    score: np.ndarray, low: float, high: float, cmap: str = DEFAULT_CMAP
) -> np.ndarray:
    """Colour a score map with a fixed range.

    ``low`` and everything below gets the first colour, ``high`` and everything above the last.
    Pixels without a score (NaN) are black. If ``low == high`` every pixel has the first colour.

    Args:
        score: (H, W) anomaly scores.
        low: Score of the first colour.
        high: Score of the last colour.
        cmap: Name of a matplotlib colour map.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if score.ndim != 2:
        raise ValueError(f"a score map has shape (H, W), got {score.shape}")
    check_range(low, high, equal=True)
    colors = get_cmap(cmap).with_extremes(bad="black")
    # float64: the difference of two large scores is lost in float32.
    finite = np.nan_to_num(score.astype(np.float64), nan=np.nan, neginf=low, posinf=high)
    scaled = Normalize(low, high, clip=True)(np.ma.masked_invalid(finite))
    return np.ascontiguousarray(colors(scaled, bytes=True)[..., :3])


def draw_overlay(image: np.ndarray, heatmap: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """Blend a heatmap over its image: ``(1 - alpha) * image + alpha * heatmap``, rounded.

    Args:
        image: (H, W, 3) uint8 RGB.
        heatmap: (H, W, 3) uint8 RGB.
        alpha: Weight of the heatmap in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: The two pictures differ in size.
    """
    if image.shape != heatmap.shape:
        raise InputError(
            f"image {image.shape[1]}x{image.shape[0]} and score map "
            f"{heatmap.shape[1]}x{heatmap.shape[0]} differ in size"
        )
    blend = (1 - alpha) * image.astype(np.float32) + alpha * heatmap.astype(np.float32)
    return np.rint(blend).astype(np.uint8)


def add_color_bar(
    heatmap: np.ndarray, low: float, high: float, label: str, cmap: str = DEFAULT_CMAP
) -> np.ndarray:
    """Add a colour bar with its values and the score's name to the right of a heatmap.

    The heatmap keeps its pixels at the top left; if it is lower than the bar it is padded white.

    Args:
        heatmap: (H, W, 3) uint8 RGB.
        low: Score of the first colour.
        high: Score of the last colour.
        label: Name of the score.
        cmap: Name of a matplotlib colour map.

    Returns:
        (max(H, bar), W + bar, 3) uint8 RGB.
    """
    height = max(heatmap.shape[0], _BAR_MIN_HEIGHT)
    # Text scales with the picture, so that it stays legible when a large one is shrunk to a screen.
    bar = _draw_bar(height, max(1.0, height / 500), low, high, label, cmap)
    missing = height - heatmap.shape[0]
    padded = np.pad(heatmap, ((0, missing), (0, 0), (0, 0)), constant_values=255)
    return np.concatenate([padded, bar], axis=1)


def _draw_bar(
    height: int, zoom: float, low: float, high: float, label: str, cmap: str
) -> np.ndarray:
    width = round(_BAR_WIDTH * zoom)
    figure = Figure(figsize=(width / _BAR_DPI, height / _BAR_DPI), dpi=_BAR_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.12, 0.08, 0.17, 0.84))
    bar = draw_color_bar(axes, low, high, cmap, 7 * zoom)
    bar.set_label(label, fontsize=8 * zoom)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_color_bar(axes: Axes, low: float, high: float, cmap: str, fontsize: float) -> Colorbar:
    """Fill axes with the colours between two scores, and five values next to them."""
    mappable = ScalarMappable(Normalize(low, high), get_cmap(cmap))
    bar = axes.figure.colorbar(mappable, cax=axes)
    ticks = np.linspace(low, high, 5) if low < high else np.array([low])
    bar.set_ticks(ticks, labels=[f"{tick:.4g}" for tick in ticks])
    bar.ax.tick_params(labelsize=fontsize)
    return bar


def draw_labels(labels: np.ndarray, palette: list) -> np.ndarray:
    """Colour a label map; labels without a colour (unknown, ignored) are black.

    Args:
        labels: (H, W) integer labels, 0 <= label.
        palette: RGB triples, one per class.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    table = np.zeros((max(len(palette), int(labels.max()) + 1), 3), np.uint8)
    table[: len(palette)] = palette
    return table[labels]
