"""The result of a benchmark on one data set."""

from __future__ import annotations

from dataclasses import dataclass

from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.visualization.frames import Frame

from .protocols import Protocol


@dataclass
class DatasetResult:
    """The result of one data set; all pixels of all images are pooled.

    Args:
        name: Name of the data set, as requested.
        protocol: Protocol it was evaluated with.
        images: Number of images.
        known: Known pixels.
        unknown: Unknown pixels.
        ignored: Pixels that are not counted in any figure.
        closed_set: ``aAcc``, ``mIoU`` and ``mAcc`` of the known pixels in percent, as computed by
            mmseg; None if the data set has other classes than the model.
        histograms: Histogram per score.
        figures: Per score, those of :func:`mmosr.evaluation.curves.figures` and, where the protocol
            asks for them, of :func:`mmosr.evaluation.components.component_figures`: fractions, NaN
            where undefined.
        per_image: Per image and score: ``image`` (path), ``score``, ``known`` and ``unknown``
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
