"""What one image adds to the closed-set and open-set figures of a test run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmseg.evaluation import IoUMetric

from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .histogram import MAX_CELLS, ScoreHistogram, merge_all


@dataclass
class Counts:
    """The sum over some images: everything adds up exactly, in any order.

    Args:
        images: Number of images.
        ignored: Pixels that no figure counts.
        areas: Pixel counts of mmseg's ``IoUMetric``, float64 of shape (4, C): intersection, union,
            prediction and label of every class. None without closed-set classes.
        histograms: Scores of the known and unknown pixels, by name of the score.
    """

    images: int
    ignored: int
    areas: torch.Tensor | None
    histograms: dict[str, ScoreHistogram]

    @classmethod
    def total(cls, parts: Sequence[Counts], max_cells: int | None = MAX_CELLS) -> Counts:
        """Add the counts of images or of processes.

        Args:
            parts: At least one.
            max_cells: As given to :func:`count_image`.

        Raises:
            InputError: If the parts have different scores.
        """
        for part in parts:
            part.check_same_scores(parts[0])
        return cls(
            sum(part.images for part in parts),
            sum(part.ignored for part in parts),
            None if parts[0].areas is None else sum(part.areas for part in parts),
            {
                name: merge_all([part.histograms[name] for part in parts], max_cells)
                for name in parts[0].histograms
            },
        )

    def closed_set_figures(self) -> dict[str, float] | None:
        """``aAcc``, ``mIoU`` and ``mAcc`` in percent, not rounded; None without closed-set classes.

        As mmseg's ``IoUMetric``, classes that occur nowhere are left out of the means.
        """
        if self.areas is None:
            return None
        found = IoUMetric.total_area_to_metrics(*self.areas, ["mIoU"])
        names = {"aAcc": "aAcc", "mIoU": "IoU", "mAcc": "Acc"}
        return {name: float(np.nanmean(found[key])) * 100 for name, key in names.items()}

    def check_same_scores(self, before: Counts) -> None:
        """Refuse counts whose scores differ from those of earlier images."""
        if self.histograms.keys() != before.histograms.keys():
            raise InputError(
                f"scores {sorted(self.histograms)}, but the images before had "
                f"{sorted(before.histograms)}; all images need the same scores."
            )


def count_image(
    sample: Mapping,
    num_classes: int | None,
    scores: Sequence[str] | None = None,
    unknown_label: int = UNKNOWN_LABEL,
    ignore_label: int = IGNORE_LABEL,
    max_cells: int | None = MAX_CELLS,
) -> Counts:
    """Count one image after the model.

    Args:
        sample: Data sample as a dict with ``pred_sem_seg``, ``pred_anomaly`` and ``gt_sem_seg``,
            each with maps of shape (1, H, W), and ``img_path``.
        num_classes: Known classes, labels 0..C-1. None for a data set that only says known (0),
            unknown and ignored: then no area is counted and ``pred_sem_seg`` is not used.
        scores: Names of the scores to count. Default: all fields of ``pred_anomaly`` other than
            ``data``; a map that is only in ``data`` is named 'anomaly'.
        unknown_label: Ground-truth value of unknown pixels.
        ignore_label: Ground-truth value of pixels that no figure counts.
        max_cells: Cells of a histogram, see :class:`ScoreHistogram`.

    Raises:
        InputError: Naming the image: no ground truth, no such score, NaN or infinite scores in
            counted pixels, maps of different shapes, or unexpected label values.
    """
    image = sample.get("img_path", "an image without img_path")
    if "gt_sem_seg" not in sample:
        raise InputError(f"{image}: no ground truth (gt_sem_seg); use format_only=True.")
    chosen = _choose_scores(sample, scores, image)
    maps = dict(chosen)
    if num_classes is not None:
        maps = {"prediction": sample["pred_sem_seg"]["data"], **maps}
    label = sample["gt_sem_seg"]["data"].to(next(iter(maps.values())).device, torch.int64)
    for name, data in maps.items():
        if data.shape[-2:] != label.shape[-2:]:
            raise InputError(
                f"{image}: {name} of size {tuple(data.shape[-2:])} but ground truth of size "
                f"{tuple(label.shape[-2:])}; evaluate at full label resolution."
            )
    _check_labels(label, num_classes or 1, unknown_label, ignore_label, image)

    unknown = label == unknown_label
    areas = None
    if num_classes is not None:
        closed = label.masked_fill(unknown, ignore_label)
        prediction = maps["prediction"].reshape(label.shape)
        areas = IoUMetric.intersect_and_union(prediction, closed, num_classes, ignore_label)
        areas = torch.stack(areas).double()  # float32 sums are inexact above 2^24
    counted = label != ignore_label
    histograms = {}
    for name, data in chosen.items():
        data = data.to(label.device).reshape(label.shape)
        try:
            histograms[name] = ScoreHistogram.from_scores(
                data[counted], unknown[counted], max_cells
            )
        except InputError as error:
            raise InputError(f"{image}, score '{name}': {error}") from error
    return Counts(1, int((~counted).sum()), areas, histograms)


def _choose_scores(
    sample: Mapping, names: Sequence[str] | None, image: str
) -> dict[str, torch.Tensor]:
    """The score maps to count, by name."""
    if "pred_anomaly" not in sample:
        raise InputError(
            f"{image}: the model gives no anomaly score (pred_anomaly); "
            "set type='mmosr.OpenSetEncoderDecoder' in the model config."
        )
    fields = {k: v for k, v in sample["pred_anomaly"].items() if isinstance(v, torch.Tensor)}
    data = fields.pop("data", None)
    available = fields or {"anomaly": data}
    missing = [name for name in names or () if name not in available]
    if missing:
        raise InputError(
            f"{image}: no score {missing}; the model gives {sorted(available)}. "
            "Change the metric's `scores` or the model's `score`."
        )
    # PixelData keeps its fields in a set, whose order differs from process to process.
    return {name: available[name] for name in names or sorted(available)}


def _check_labels(
    label: torch.Tensor, classes: int, unknown_label: int, ignore_label: int, image: str
) -> None:
    for name, value in {"unknown": unknown_label, "ignore": ignore_label}.items():
        if 0 <= value < classes:
            raise InputError(
                f"{name}_label={value} is also one of the {classes} known classes: "
                "choose a value outside them."
            )
    expected = (label >= 0) & (label < classes)
    expected |= (label == unknown_label) | (label == ignore_label)
    if not expected.all():
        values = torch.unique(label[~expected]).tolist()
        raise InputError(
            f"{image}: ground truth has values {values}; expected 0..{classes - 1}, "
            f"{unknown_label} (unknown) and {ignore_label} (ignored). "
            "Check the data set's label mapping and reduce_zero_label."
        )
