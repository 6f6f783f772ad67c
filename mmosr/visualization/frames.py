"""A picture of some frames, one row per frame: image, ground truth, prediction, anomaly score.

All rows share one colour range, so that a calm frame looks calm next to one with an object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .figure_parts import DPI, UNKNOWN_COLOR
from .heatmap import DEFAULT_CMAP, check_range, draw_color_bar, draw_heatmap, draw_overlay
from .pictures import read_image

WIDTH = 640  # pixels of a panel; larger frames are scaled down
TITLES = {
    "image": "Image",
    "outlined": "Image, outline of the unknown",
    "truth": "Ground truth",
    "prediction": "Prediction",
    "score": "Anomaly score",
    "overlay": "Overlay, outline of the unknown",
}
PANELS = ("image", "truth", "score", "overlay")
# For the ground truth: known is the background, and ignored has stripes.
BACKGROUND = (205, 205, 205)
UNKNOWN_RGB = tuple(round(255 * part) for part in to_rgb(UNKNOWN_COLOR))
IGNORED_COLORS = ((60, 60, 60), (110, 110, 110))
OUTLINE_COLOR = (0, 255, 255)  # not in the colour map, and visible on its dark and bright ends
_STRIPE = 5
_GAP, _TEXT, _TOP, _BOTTOM, _SIDE, _BAR = 8, 34, 110, 60, 20, 130  # pixels


@dataclass
class Frame:
    """One frame of a data set.

    Args:
        image: The image file, as large as the label.
        label: Labels (H, W): 254 unknown, 255 ignored, known for all other values.
        score: Anomaly scores (H, W), larger = more unknown.
        caption: Drawn above the frame: name of the image and figures.
        prediction: The coloured prediction (H, W, 3), uint8 RGB, if it is to be shown.
        read: Returns the image (H, W, 3), uint8 RGB, if the file alone is not enough.
    """

    image: Path
    label: np.ndarray
    score: np.ndarray
    caption: str
    prediction: np.ndarray | None = None
    read: Callable[[], np.ndarray] | None = None


def draw_frames(
    frames: Sequence[Frame],
    title: str,
    value_range: tuple[float, float],
    width: int = WIDTH,
    columns: Sequence[str] = PANELS,
    zoom: int = 1,
) -> Figure:
    """A figure with the panels of :func:`frame_panels` for every frame, and a colour bar.

    Args:
        frames: The frames, from top to bottom; one is read at a time.
        title: Title of the figure.
        value_range: Scores of the first and of the last colour, for all frames.
        width: Largest width of a panel in pixels.
        columns: Which panels to draw, keys of ``TITLES``.
        zoom: Largest factor by which small frames are enlarged.

    Raises:
        InputError: There are no frames, the range is invalid, an image cannot be read, or sizes
            differ.
    """
    low, high = check_range(*value_range, equal=True)
    if not frames:
        raise InputError("there are no frames to draw")
    rows = [frame_panels(frame, low, high, width, columns, zoom) for frame in frames]
    panel_width = max(panel.shape[1] for row in rows for panel in row)
    canvas_width = 2 * _SIDE + len(columns) * (panel_width + _GAP) - _GAP + _BAR
    height = _TOP + _BOTTOM + sum(row[0].shape[0] + _TEXT + _GAP for row in rows)
    figure = Figure(figsize=(canvas_width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.text(0.5, 1 - 10 / height, title, ha="center", va="top", fontsize=14)
    top = _TOP
    for frame, row in zip(frames, rows, strict=True):
        figure.text(
            _SIDE / canvas_width, 1 - (top - 8) / height, frame.caption, va="bottom", fontsize=9
        )
        for column, panel in enumerate(row):
            left = _SIDE + column * (panel_width + _GAP)
            box = (left, height - top - panel.shape[0], panel.shape[1], panel.shape[0])
            _show(figure, panel, box, TITLES[columns[column]] if top == _TOP else "")
        top += row[0].shape[0] + _TEXT + _GAP
    bottom = height - top + _TEXT + _GAP
    bar = (canvas_width - _BAR, bottom, 24, height - _TOP - bottom)
    draw_color_bar(_add_axes(figure, bar), low, high, DEFAULT_CMAP, 8)
    if "truth" in columns:
        _add_key(figure)
    return figure


def frame_panels(
    frame: Frame,
    low: float,
    high: float,
    width: int = WIDTH,
    columns: Sequence[str] = PANELS,
    zoom: int = 1,
) -> list[np.ndarray]:
    """The panels of one frame, scaled down to ``width``, or up to ``zoom`` times its size.

    An unknown object of one pixel stays visible: a pixel of the ground truth is unknown if any part
    of it is, ignored if at least half of it is, else known. The score is coloured before it is
    scaled. Unknown objects are outlined in the ground truth and in the overlay.

    Returns:
        One picture per column, (h, w, 3), uint8 RGB, ``w <= width``.

    Raises:
        InputError: The image cannot be read, or image, label and score differ in size.
    """
    if frame.label.ndim != 2 or frame.score.shape != frame.label.shape:
        raise InputError(
            f"frame '{frame.image}': label of shape {frame.label.shape} and score of shape "
            f"{frame.score.shape} differ: each must be a map (H, W)"
        )
    image = frame.read() if frame.read else read_image(frame.image)
    if image.shape[:2] != frame.label.shape:
        raise InputError(
            f"image '{frame.image}' is {image.shape[1]}x{image.shape[0]}, its label "
            f"{frame.label.shape[1]}x{frame.label.shape[0]}: use image and label of the same size"
        )
    rows, cols = frame.label.shape
    scale = min(float(zoom), width / cols)
    size = max(1, round(cols * scale)), max(1, round(rows * scale))  # as OpenCV wants it
    image = _scale(image, size)
    heatmap = _scale(draw_heatmap(frame.score, low, high), size)
    unknown = _scale((frame.label == UNKNOWN_LABEL).astype(np.float32), size) > 0
    ignored = _scale((frame.label == IGNORE_LABEL).astype(np.float32), size) >= 0.5
    panels = {
        "image": image,
        "outlined": outline(image, unknown),
        "truth": outline(draw_truth(unknown, ignored), unknown),
        "score": heatmap,
        "overlay": outline(draw_overlay(image, heatmap), unknown),
    }
    if frame.prediction is not None:
        panels["prediction"] = _scale(frame.prediction, size)
    return [panels[column] for column in columns]


def draw_truth(unknown: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Colour the ground truth: known grey, unknown orange, ignored with dark stripes.

    Args:
        unknown: bool (H, W).
        ignored: bool (H, W); unknown wins where both are set.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows, columns = np.indices(unknown.shape)
    stripes = np.array(IGNORED_COLORS, np.uint8)[(rows + columns) // _STRIPE % 2]
    picture = np.where(ignored[..., None], stripes, np.array(BACKGROUND, np.uint8))
    picture[unknown] = UNKNOWN_RGB
    return picture


def outline(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw a one-pixel line around the regions of a mask, outside, so that it hides nothing.

    A black one-pixel ring around the line sets it off.

    Args:
        picture: (H, W, 3) uint8 RGB.
        mask: bool (H, W).

    Returns:
        A new picture.
    """
    region = mask.astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    first = cv2.dilate(region, kernel)
    second = cv2.dilate(first, kernel)
    picture = picture.copy()
    picture[second > first] = 0
    picture[first > region] = OUTLINE_COLOR
    return picture


def _scale(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _add_axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes at (left, bottom, width, height) in pixels."""
    width, height = figure.get_size_inches() * figure.dpi
    return figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))


def _show(
    figure: Figure, panel: np.ndarray, box: tuple[float, float, float, float], title: str
) -> None:
    """Place a panel so that one of its pixels is one pixel of the figure."""
    axes = _add_axes(figure, box)
    axes.imshow(panel, interpolation="none", aspect="auto")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=10, pad=18)


def _add_key(figure: Figure) -> None:
    entries = [("known", BACKGROUND, None), ("unknown", UNKNOWN_RGB, None)]
    entries.append(("ignored", IGNORED_COLORS[0], "////"))
    handles = [
        Patch(
            facecolor=np.array(color) / 255,
            edgecolor=np.array(IGNORED_COLORS[1]) / 255 if hatch else "none",
            hatch=hatch,
            label=name,
        )
        for name, color, hatch in entries
    ]
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=9)
