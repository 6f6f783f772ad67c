"""What a benchmark finds out about one data set."""

from __future__ import annotations

from dataclasses import dataclass

from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.visualization.frames import Frame

from .protocols import Protocol


@dataclass
class DatasetResult:
    """The result of one data set; all pixels of all images are pooled.

    Args:
        name: Of the data set, as it was asked for.
        protocol: What it was measured by.
        images: Number of images.
        known: Known pixels.
        unknown: Unknown pixels.
        ignored: Pixels that no figure counts.
        closed_set: ``aAcc``, ``mIoU`` and ``mAcc`` of the known pixels in percent, as mmseg gives
            them; None when the data set has other classes than the model.
        histograms: Score histogram by score.
        figures: By score, those of :func:`mmosr.evaluation.curves.figures` and, where the protocol
            asks for them, of :func:`mmosr.evaluation.components.component_figures`: fractions, NaN
            where undefined.
        per_image: For each image and score ``image`` (path), ``score``, ``known`` and ``unknown``
            (pixels), and the figures of the image alone.
        frames: ``best`` and ``worst`` images, by the average precision of the first score in the
            image, among those with unknown and known pixels.
    """

    name: str
    protocol: Protocol
    images: int
    known: int
    unknown: int
    ignored: int
    closed_set: dict[str, float] | None
    histograms: dict[str, ScoreHistogram]
    figures: dict[str, dict[str, float]]
    per_image: list[dict]
    frames: dict[str, list[Frame]]
