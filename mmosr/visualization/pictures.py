"""Pictures of a run from its raw score maps on disk, with one colour range for all."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import numpy as np

from mmosr.runs.files import atomic_write
from mmosr.runs.progress import progress
from mmosr.utils import InputError

from .heatmap import HeatmapStyle, add_color_bar, draw_heatmap, draw_labels, draw_overlay
from .score_range import score_range

PERCENTILES = {"percentile": (1.0, 99.0), "minmax": (0.0, 100.0)}


@dataclass(frozen=True)
class ImageItem:
    """One image of a run.

    Args:
        source: Absolute path of the image.
        name: Name of its outputs: a path relative to the output folder, without suffix.
    """

    source: Path
    name: str


def name_images(sources: list[Path], root: Path) -> list[ImageItem]:
    """Name outputs after their sources, relative to ``root`` and without the suffix.

    Sources that differ only in their suffix (``x.png`` and ``x.jpg``) keep it in their names. A
    source given twice counts once.
    """
    sources = list(dict.fromkeys(sources))
    relative = [source.relative_to(root) for source in sources]
    names = [path.with_suffix("").as_posix() for path in relative]
    while clashes := {name for name, count in Counter(names).items() if count > 1}:
        names = [
            path.as_posix() if name in clashes else name
            for path, name in zip(relative, names, strict=True)
        ]
    return [ImageItem(source, name) for source, name in zip(sources, names, strict=True)]


def common_folder(sources: list[Path]) -> Path:
    """The deepest folder that contains all sources."""
    return Path(os.path.commonpath([source.parent for source in sources]))


def output_path(out_dir: Path, item: ImageItem, kind: str) -> Path:
    """Path of one output, such as ``OUT/street/x_score.npy`` for the kind ``score.npy``."""
    return out_dir / f"{item.name}_{kind}"


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) RGB or (H, W) labels, whole."""
    if picture.ndim == 3:
        picture = picture[..., ::-1]  # OpenCV writes BGR
    with atomic_write(path) as temporary:
        if not mmcv.imwrite(np.ascontiguousarray(picture), str(temporary)):
            raise OSError(f"cannot write {path}")


def write_score(path: Path, score: np.ndarray) -> None:
    """Write a float32 score map atomically."""
    with atomic_write(path) as temporary:
        np.save(temporary, score)


def read_score(out_dir: Path, item: ImageItem) -> np.ndarray:
    """Read a raw score map back."""
    return np.load(output_path(out_dir, item, "score.npy"))


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a source image as (H, W, 3) RGB; grey becomes RGB and transparency is dropped.

    Raises:
        InputError: The image cannot be read.
    """
    try:
        image = mmcv.imread(str(path), channel_order="rgb")
    except (OSError, cv2.error) as error:
        raise InputError(f"image '{path}' cannot be read") from error
    if image is None:
        raise InputError(f"image '{path}' cannot be read")
    return image


def read_labels(out_dir: Path, item: ImageItem) -> np.ndarray:
    """Read a label map back."""
    return mmcv.imread(str(output_path(out_dir, item, "pred.png")), flag="unchanged")


def maps_range(
    items: Sequence[ImageItem], out_dir: Path, range_from: str = "percentile"
) -> tuple[float, float]:
    """The colour range of a run, from its raw maps: see :func:`score_range`."""
    return score_range(
        lambda: (read_score(out_dir, item) for item in items), PERCENTILES[range_from]
    )


def draw_pictures(
    items: Sequence[ImageItem],
    out_dir: Path,
    style: HeatmapStyle,
    value_range: tuple[float, float] | None,
    score_name: str,
    palette: list | None = None,
    range_from: str = "percentile",
    read: Callable[[Path], np.ndarray] = read_image,
) -> tuple[dict[str, str], list[str]]:
    """Draw heatmap and overlay of images with raw maps in ``out_dir``.

    Args:
        items: The images.
        out_dir: Folder of the raw maps and of the pictures.
        style: How heatmaps are drawn.
        value_range: The colour range; None: one per image.
        score_name: Label of the colour bar.
        palette: Also draw the labels, with these colours.
        range_from: How the range of an image is taken.
        read: Reads the source of an item as (H, W, 3) RGB.

    Returns:
        Reason by source for each image that failed, and the sources with NaN or infinite scores.
    """
    failed: dict[str, str] = {}
    not_finite: list[str] = []
    for item in progress(items, "draw"):
        score = read_score(out_dir, item)
        if not np.isfinite(score).all():
            not_finite.append(str(item.source))
        try:
            low, high = value_range or maps_range([item], out_dir, range_from)
            heatmap = draw_heatmap(score, low, high, style.cmap)
            overlay = draw_overlay(read(item.source), heatmap, style.alpha)
        except InputError as error:
            failed[str(item.source)] = str(error)
            continue
        if style.color_bar:
            heatmap = add_color_bar(heatmap, low, high, score_name, style.cmap)
        write_picture(output_path(out_dir, item, "heatmap.png"), heatmap)
        write_picture(output_path(out_dir, item, "overlay.png"), overlay)
        if palette is not None:
            colors = draw_labels(read_labels(out_dir, item), palette)
            write_picture(output_path(out_dir, item, "pred_color.png"), colors)
    return failed, not_finite
