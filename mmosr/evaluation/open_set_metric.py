"""Closed-set and open-set figures of one segmentation test run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.logging import MMLogger, print_log
from mmseg.evaluation import IoUMetric
from prettytable import PrettyTable

from mmosr.registry import METRICS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .counts import Counts, count_image
from .curves import figures, percent
from .histogram import MAX_CELLS


@METRICS.register_module()
class OpenSetMetric(IoUMetric):
    """mIoU over known pixels, and the open-set figures of every anomaly score, in one run.

    The closed-set part is mmseg's ``IoUMetric``, which sees unknown pixels as ignored ones. The
    open-set part pools all pixels that are not ignored, of all images, with unknown as the
    positive class. :mod:`mmosr.evaluation.curves` defines the figures.

    Result keys, in percent with four decimals: ``aAcc``, ``mIoU``, ``mAcc``, and for each score
    ``<score>/AUROC``, ``<score>/AP``, ``<score>/AUPR-In``, ``<score>/FPR95``, ``<score>/TNR95``
    and ``<score>/F1``; in score units, the threshold of that F1, ``<score>/F1-threshold``. The
    open-set keys are left out, with a line in the log, if the whole set has no unknown (or no
    known) pixels. The closed-set keys are left out for a data set whose ``dataset_meta`` says
    ``anomaly_only=True``: its labels have no classes.

    Images are streamed: a process keeps two running sums, whatever the number of images. In a
    distributed run this relies on the order of mmengine's ``DefaultSampler``: rank ``r`` of ``W``
    sees the positions ``r, r + W, ...``, and only the last sample of a rank can be a repetition
    that pads the data set to a multiple of ``W``. It is kept separate and dropped if its
    position is past the end of the data set. A sampler that repeats more is refused.

    Args:
        scores: Names of the scores to evaluate. Default: all fields of ``pred_anomaly`` other
            than ``data``, or, when there is no other, ``data`` under the name 'anomaly'.
        iou_metrics: Passed to ``IoUMetric``: 'mIoU', 'mDice', 'mFscore'.
        unknown_label: Ground-truth value of unknown pixels.
        ignore_label: Ground-truth value of pixels that no figure counts.
        max_cells: Distinct scores to keep, see :class:`ScoreHistogram`; None keeps all,
            whatever the memory.
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
        max_cells: int | None = MAX_CELLS,
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
        self.max_cells = max_cells

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
            image = self._count(sample)
            if self.output_dir is not None:
                super().process(data_batch, [sample])  # saves the prediction
                self.results.pop()  # and counts areas, which the image already has
            # The last image stays separate: it may turn out to be padding.
            self.results = [self._total(self.results)] if self.results else []
            self.results.append(image)

    def evaluate(self, size: int) -> dict:
        """Drop padding, merge the sums of all processes and compute the figures.

        Args:
            size: Number of images of the data set.

        Returns:
            The same figures on every rank, see the class. Empty if no image was processed.

        Raises:
            RuntimeError: If this process saw more images than ``DefaultSampler`` assigns to it.
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
            self.results = [self._total(self.results)]
        return super().evaluate(world_size)  # at most one result of each rank

    def compute_metrics(self, results: list[Counts]) -> dict[str, float]:
        """Compute and print the figures from the sums of each process."""
        if self.format_only:
            return super().compute_metrics(results)
        if not results:
            return {}
        total = self._total(results)
        metrics = {} if total.areas is None else self._closed_set(tuple(total.areas))
        self._add_open_set(metrics, total)
        return metrics

    def _count(self, sample: dict) -> Counts:
        """The counts of one image."""
        meta = self.dataset_meta
        image = count_image(
            sample,
            None if meta.get("anomaly_only") else len(meta["classes"]),
            self.scores,
            self.unknown_label,
            self.ignore_index,
            self.max_cells,
        )
        if self.results:
            try:
                image.check_same_scores(self.results[0])
            except InputError as error:
                raise InputError(f"{sample.get('img_path')}: {error}") from error
        return image

    def _total(self, parts: list[Counts]) -> Counts:
        return Counts.total(parts, self.max_cells)

    def _closed_set(self, areas: tuple[torch.Tensor, ...]) -> dict[str, float]:
        super().compute_metrics([areas])  # prints the table of classes
        classes = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        return {
            name if name == "aAcc" else f"m{name}": percent(np.nanmean(values))
            for name, values in classes.items()
        }

    def _add_open_set(self, metrics: dict[str, float], total: Counts) -> None:
        logger = MMLogger.get_current_instance()
        some = next(iter(total.histograms.values()))
        known, unknown = some.num_known, some.num_unknown
        pixels = f"{total.images} images, {known} known and {unknown} unknown pixels"
        if not known or not unknown:
            print_log(f"no open-set figures: they need both kinds, found {pixels}", logger)
            return
        closed = "".join(f" {name} {value:.2f}" for name, value in metrics.items())
        table = PrettyTable()
        for score, histogram in total.histograms.items():
            values = figures(histogram)
            threshold = values.pop("F1-threshold")
            values = {name: percent(value) for name, value in values.items()}
            table.field_names = ["score", *values, "F1-threshold"]  # the same for all scores
            table.add_row([score, *(f"{v:.2f}" for v in values.values()), f"{threshold:.6g}"])
            metrics.update({f"{score}/{name}": value for name, value in values.items()})
            metrics[f"{score}/F1-threshold"] = threshold
        known_pixels = f"{closed} (known pixels);" if closed else ""
        print_log(
            f"results in percent, pooled over {pixels}:{known_pixels} "
            f"unknown positive:\n{table.get_string()}",
            logger,
        )
