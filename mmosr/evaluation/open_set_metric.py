"""Closed-set and open-set figures of one segmentation test run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.logging import MMLogger, print_log
from mmseg.evaluation import IoUMetric
from prettytable import PrettyTable

from mmosr.registry import METRICS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .curves import (
    DEFAULT_BITS,
    ScoreHistogram,
    auroc,
    average_precision,
    fpr_at_tpr,
    merge_all,
)

_FIGURES = {"AUROC": auroc, "AP": average_precision, "FPR95": fpr_at_tpr}


@dataclass
class _Counts:
    """What some images add up to: all of it sums exactly, in any order."""

    images: int
    areas: torch.Tensor  # (4, C) float64 pixel counts: mmseg's intersection, union, ...
    histograms: dict[str, ScoreHistogram]

    @classmethod
    def total(cls, parts: Sequence[_Counts]) -> _Counts:
        return cls(
            sum(part.images for part in parts),
            sum(part.areas for part in parts),
            {
                name: merge_all([part.histograms[name] for part in parts])
                for name in parts[0].histograms
            },
        )


@METRICS.register_module()
class OpenSetMetric(IoUMetric):
    """mIoU over known pixels, and AUROC, AP and FPR95 of every anomaly score, in one run.

    The closed-set part is mmseg's ``IoUMetric``, which sees unknown pixels as ignored ones. The
    open-set part pools all pixels that are not ignored, of all images, with unknown as the
    positive class: AUROC with ties counted half, step-wise average precision, and the false
    positive rate at the first threshold with a true positive rate of at least 95 %.

    Result keys, in percent with four decimals: ``aAcc``, ``mIoU``, ``mAcc``, and for each score
    ``<score>/AUROC``, ``<score>/AP`` and ``<score>/FPR95``. The open-set keys are left out, with a
    line in the log, when the whole set has no unknown (or no known) pixel.

    Images are streamed: a process keeps two running sums, whatever the number of images. In a
    distributed run this relies on the order of mmengine's ``DefaultSampler``: rank ``r`` of ``W``
    sees the positions ``r, r + W, ...``, and only the last sample of a rank can be a repetition
    that pads the data set to a multiple of ``W``. That one is kept apart and dropped when its
    position lies behind the end of the data set. A sampler that repeats more is refused.

    Args:
        scores: Names of the scores to evaluate. Default: all fields of ``pred_anomaly`` other
            than ``data``, or, when there is no other, ``data`` under the name 'anomaly'.
        iou_metrics: Passed to ``IoUMetric``: 'mIoU', 'mDice', 'mFscore'.
        unknown_label: Ground-truth value of unknown pixels.
        ignore_label: Ground-truth value of pixels that no figure counts.
        bits: Leading bits of the float32 scores that are kept; 32 is exact and takes more memory.
            Scores of a small spread on a large offset need it, see :class:`ScoreHistogram`.
        nan_to_num, beta, collect_device, output_dir, format_only, prefix: As in ``IoUMetric``.
        keep_results: Set by mmseg's ``tools/test.py --out``; without effect, as in ``IoUMetric``.

    Raises:
        InputError: In ``process``, naming the image: no such score, NaN or infinite scores in
            evaluated pixels, maps of different shapes, or unexpected label values.
    """

    def __init__(
        self,
        scores: Sequence[str] | None = None,
        iou_metrics: Sequence[str] = ("mIoU",),
        unknown_label: int = UNKNOWN_LABEL,
        ignore_label: int = IGNORE_LABEL,
        bits: int = DEFAULT_BITS,
        nan_to_num: int | None = None,
        beta: int = 1,
        collect_device: str = "cpu",
        output_dir: str | None = None,
        format_only: bool = False,
        prefix: str | None = None,
        keep_results: bool = False,
    ) -> None:
        super().__init__(
            ignore_index=ignore_label,
            iou_metrics=[iou_metrics] if isinstance(iou_metrics, str) else list(iou_metrics),
            nan_to_num=nan_to_num,
            beta=beta,
            collect_device=collect_device,
            output_dir=output_dir,
            format_only=format_only,
            prefix=prefix,
        )
        if unknown_label == ignore_label:
            raise InputError(
                f"unknown_label and ignore_label are both {ignore_label}: "
                "unknown pixels are evaluated, ignored ones are not, so the values must differ."
            )
        self.scores = [scores] if isinstance(scores, str) else scores
        self.unknown_label = unknown_label
        self.bits = bits

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add a batch to the running sums.

        Args:
            data_batch: Unused.
            data_samples: Samples as dicts with ``pred_sem_seg``, ``pred_anomaly`` and
                ``gt_sem_seg``, each with maps of shape (1, H, W), and ``img_path``.
        """
        if self.format_only:
            super().process(data_batch, data_samples)
            return
        for sample in data_samples:
            image = self._count(data_batch, sample)
            # The last image stays apart: it may turn out to be padding.
            self.results = [_Counts.total(self.results)] if self.results else []
            self.results.append(image)

    def evaluate(self, size: int) -> dict:
        """Drop padding, merge the sums of all processes and compute the figures.

        Args:
            size: Number of images of the data set.

        Returns:
            The same figures on every rank, see the class. Empty when no image was processed.

        Raises:
            RuntimeError: If this process saw more images than ``DefaultSampler`` deals to it.
        """
        rank, world_size = get_dist_info()
        seen = sum(part.images for part in self.results)
        if seen > math.ceil(size / world_size):
            raise RuntimeError(
                f"Rank {rank} of {world_size} evaluated {seen} images of a data set of {size}: "
                "repetitions can only be dropped in the order of mmengine's DefaultSampler."
            )
        if seen and rank + (seen - 1) * world_size >= size:
            self.results.pop()
        if self.results:
            self.results = [_Counts.total(self.results)]
        return super().evaluate(world_size)  # at most one result of each rank

    def compute_metrics(self, results: list[_Counts]) -> dict[str, float]:
        """Compute and print the figures from the sums of each process."""
        if self.format_only:
            return super().compute_metrics(results)
        if not results:
            return {}
        total = _Counts.total(results)
        areas = tuple(total.areas)
        super().compute_metrics([areas])  # prints the table of classes
        classes = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        metrics = {
            name if name == "aAcc" else f"m{name}": _percent(np.nanmean(values))
            for name, values in classes.items()
        }
        self._add_open_set(metrics, total)
        return metrics

    def _add_open_set(self, metrics: dict[str, float], total: _Counts) -> None:
        logger = MMLogger.get_current_instance()
        some = next(iter(total.histograms.values()))
        known, unknown = some.num_known, some.num_unknown
        pixels = f"{total.images} images, {known} known and {unknown} unknown pixels"
        if not known or not unknown:
            print_log(f"no AUROC, AP and FPR95: they need both kinds, found {pixels}", logger)
            return
        table = PrettyTable(["score", *_FIGURES])
        for score, histogram in total.histograms.items():
            values = {name: _percent(figure(histogram)) for name, figure in _FIGURES.items()}
            table.add_row([score, *(f"{value:.2f}" for value in values.values())])
            metrics.update({f"{score}/{name}": value for name, value in values.items()})
        closed = ", ".join(f"{k} {v:.2f}" for k, v in metrics.items() if "/" not in k)
        print_log(
            f"results in percent, pooled over {pixels}: {closed} (known pixels); "
            f"unknown positive:\n{table.get_string()}",
            logger,
        )

    def _count(self, data_batch: dict, sample: dict) -> _Counts:
        """The counts of one image."""
        image = sample.get("img_path", "an image without img_path")
        if "gt_sem_seg" not in sample:
            raise InputError(f"{image}: no ground truth (gt_sem_seg); use format_only=True.")
        prediction = sample["pred_sem_seg"]["data"]
        label = sample["gt_sem_seg"]["data"].to(prediction)
        scores = self._scores(sample, image)
        for name, data in {"prediction": prediction, **scores}.items():
            if data.shape[-2:] != label.shape[-2:]:
                raise InputError(
                    f"{image}: {name} of size {tuple(data.shape[-2:])} but ground truth of size "
                    f"{tuple(label.shape[-2:])}; evaluate at full label resolution."
                )
        self._check_labels(label, image)
        unknown = label == self.unknown_label

        closed = label.masked_fill(unknown, self.ignore_index)
        super().process(data_batch, [{**sample, "gt_sem_seg": {"data": closed}}])
        areas = torch.stack(self.results.pop()).double()  # float32 sums are inexact above 2^24

        counted = label != self.ignore_index
        histograms = {}
        for name, data in scores.items():
            data = data.to(label.device).reshape(label.shape)
            try:
                histograms[name] = ScoreHistogram.from_scores(
                    data[counted], unknown[counted], self.bits
                )
            except InputError as error:
                raise InputError(f"{image}, score '{name}': {error}") from error
        return _Counts(1, areas, histograms)

    def _scores(self, sample: dict, image: str) -> dict[str, torch.Tensor]:
        """The score maps to evaluate, by name."""
        if "pred_anomaly" not in sample:
            raise InputError(
                f"{image}: the model gives no anomaly score (pred_anomaly); "
                "set type='mmosr.OpenSetEncoderDecoder' in the model config."
            )
        fields = {k: v for k, v in sample["pred_anomaly"].items() if isinstance(v, torch.Tensor)}
        data = fields.pop("data", None)
        available = fields or {"anomaly": data}
        missing = [name for name in self.scores or () if name not in available]
        if missing:
            raise InputError(
                f"{image}: no score {missing}; the model gives {sorted(available)}. "
                "Change the metric's `scores` or the model's `score`."
            )
        # PixelData keeps its fields in a set, whose order differs from process to process.
        chosen = {name: available[name] for name in self.scores or sorted(available)}
        if self.results and chosen.keys() != self.results[0].histograms.keys():
            raise InputError(
                f"{image}: scores {sorted(chosen)}, but the images before had "
                f"{sorted(self.results[0].histograms)}; all images need the same scores."
            )
        return chosen

    def _check_labels(self, label: torch.Tensor, image: str) -> None:
        classes = len(self.dataset_meta["classes"])
        for name, value in {"unknown": self.unknown_label, "ignore": self.ignore_index}.items():
            if 0 <= value < classes:
                raise InputError(
                    f"{name}_label={value} is also one of the {classes} known classes: "
                    "choose a value outside them."
                )
        expected = (label >= 0) & (label < classes)
        expected |= (label == self.unknown_label) | (label == self.ignore_index)
        if not expected.all():
            values = torch.unique(label[~expected]).tolist()
            raise InputError(
                f"{image}: ground truth has values {values}; expected 0..{classes - 1}, "
                f"{self.unknown_label} (unknown) and {self.ignore_index} (ignored). "
                "Check the data set's label mapping and reduce_zero_label."
            )


def _percent(value: float) -> float:
    return round(float(value) * 100, 4)
