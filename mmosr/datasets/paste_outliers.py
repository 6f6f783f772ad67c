"""Outlier exposure: unknown objects pasted into training pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmosr.registry import TRANSFORMS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .synthetic_outliers import draw_outlier

_VISIBLE = 0.05  # opacity at which a pixel no longer matches its label


@TRANSFORMS.register_module()
class PasteOutliers(BaseTransform):
    """Paste synthetic unknown objects into a picture and label them 254.

    The objects are those of :func:`~mmosr.datasets.synthetic_outliers.draw_outlier`; no data is
    needed. An object may be anywhere, also across the border of the picture. Its soft edge and
    a ring around it are ignored. Draws come from NumPy's global generator, which
    :class:`~mmosr.datasets.SeedDraw` seeds for each draw of a sample: the same objects after a
    resume and for any number of workers.

    Use it after the labels are loaded and the picture is cropped. Label 254 needs a head that
    trains on it, such as L-GMM with ``outlier_components``.

    Args:
        prob: Probability that a picture gets objects.
        max_objects: Largest number of objects; the smallest is 1.
        height_range: Heights as shares of the picture height; drawn uniformly on a log scale.
        aspect_range: Width over height; likewise.
        match_prob: Probability that an object takes the mean colour of what it covers, so that
            colour does not give it away.
        shadow_prob: Probability of a soft shadow below the object.
        max_blur: Largest standard deviation of the blur of its edge, in pixels.
        border: Minimum width of the ignored ring in pixels.

    Raises:
        InputError: An argument is out of range, or the picture has no labels.
    """

    def __init__(
        self,
        prob: float = 0.7,
        max_objects: int = 3,
        height_range: Sequence[float] = (0.06, 0.4),
        aspect_range: Sequence[float] = (0.4, 2.5),
        match_prob: float = 0.3,
        shadow_prob: float = 0.5,
        max_blur: float = 1.0,
        border: int = 1,
    ) -> None:
        for name, value in (
            ("prob", prob),
            ("match_prob", match_prob),
            ("shadow_prob", shadow_prob),
        ):
            if not 0 <= value <= 1:
                raise InputError(f"PasteOutliers: {name} must lie in [0, 1], got {value}")
        for name, value in (("height_range", height_range), ("aspect_range", aspect_range)):
            if len(value) != 2 or not 0 < value[0] <= value[1]:
                raise InputError(f"PasteOutliers: {name} needs 0 < LO <= HI, got {tuple(value)}")
        for name, value, least in (
            ("max_objects", max_objects, 1), ("max_blur", max_blur, 0), ("border", border, 0),
        ):  # fmt: skip
            if value < least:
                raise InputError(f"PasteOutliers: {name} must be at least {least}, got {value}")
        self.prob, self.max_objects = prob, max_objects
        self.height_range, self.aspect_range = tuple(height_range), tuple(aspect_range)
        self.match_prob, self.shadow_prob = match_prob, shadow_prob
        self.max_blur, self.border = max_blur, border
        self._ring = np.ones((2 * border + 1,) * 2, np.uint8)

    def transform(self, results: dict) -> dict:
        if "gt_seg_map" not in results:
            raise InputError(
                "PasteOutliers needs labels: put it after LoadOpenSetAnnotations in the pipeline"
            )
        if np.random.random() >= self.prob:
            return results
        rng = np.random.default_rng(np.random.randint(2**32, size=2, dtype=np.uint64))
        picture, label = results["img"].astype(np.float32), results["gt_seg_map"].copy()
        for _ in range(int(rng.integers(1, self.max_objects + 1))):
            self._paste(rng, picture, label, results["img"])
        results["img"] = np.clip(np.rint(picture), 0, 255).astype(results["img"].dtype)
        results["gt_seg_map"] = label
        return results

    def _paste(
        self, rng: np.random.Generator, picture: np.ndarray, label: np.ndarray, source: np.ndarray
    ) -> None:
        """Paste one object into the picture (float32) and its label, in place."""
        share, aspect = (
            np.exp(rng.uniform(*np.log(span))) for span in (self.height_range, self.aspect_range)
        )
        height = max(4, round(share * label.shape[0]))
        width = int(np.clip(round(height * aspect), 4, label.shape[1]))
        texture, opacity = draw_outlier(rng, source, (height, width))
        centre = rng.uniform(0, 1, 2) * label.shape
        top, left = (int(round(c - s / 2)) for c, s in zip(centre, (height, width), strict=True))
        margin = self.border + 3
        opacity = np.pad(opacity, margin)
        texture = np.pad(texture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        inside, part = _overlap(label.shape, opacity.shape, (top - margin, left - margin))
        if rng.random() < self.shadow_prob:
            foot = (top + height, left + width / 2)
            _shade(picture, foot, (height, width), rng.uniform(0.4, 0.9))
        blur = rng.uniform(0, self.max_blur)
        soft = cv2.GaussianBlur(opacity, (0, 0), blur) if blur > 0.2 else opacity
        near = cv2.dilate((opacity > 0.5).astype(np.uint8), self._ring)[part] > 0
        texture, solid, soft = texture[part], opacity[part] > 0.5, soft[part]
        if rng.random() < self.match_prob and solid.any():
            texture = texture + picture[inside][solid].mean(0) - texture[solid].mean(0)
        picture[inside] += (texture - picture[inside]) * soft[..., None]
        label[inside][near | (soft > _VISIBLE)] = IGNORE_LABEL
        label[inside][solid] = UNKNOWN_LABEL


def _overlap(
    whole: tuple[int, int], size: tuple[int, int], corner: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a box overlaps a picture, and which part of the box that is."""
    inside, part = [], []
    for length, side, start in zip(whole, size, corner, strict=True):
        low, high = max(start, 0), min(start + side, length)
        inside.append(slice(low, max(high, low)))
        part.append(slice(low - start, max(high, low) - start))
    return tuple(inside), tuple(part)


def _shade(
    picture: np.ndarray, foot: tuple[float, float], size: tuple[int, int], factor: float
) -> None:
    """Darken a soft ellipse around the foot of an object of this size, in place."""
    rows = np.arange(picture.shape[0], dtype=np.float32)[:, None] - foot[0]
    columns = np.arange(picture.shape[1], dtype=np.float32)[None] - foot[1]
    distance = np.hypot(rows / (0.2 * size[0] + 1), columns / (0.65 * size[1] + 1))
    picture *= (1 - (1 - factor) * np.clip(1.5 - distance, 0, 1))[..., None]
