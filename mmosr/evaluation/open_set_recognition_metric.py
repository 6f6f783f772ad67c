"""Closed-set and open-set figures of one image classification test run."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from prettytable import PrettyTable

from mmosr.registry import METRICS
from mmosr.utils import UNKNOWN, InputError

from .curves import percent
from .image_table import ImageTable, write_image_table
from .recognition import CCR_RATES, check_top_k, recognition_figures, truth_ranks
from .rejection import confusion_matrix, macro_f1, reject, rejection_threshold

ANOMALY = "anomaly"  # name of a score that has none


@dataclass(frozen=True)
class ImageResult:
    """What the figures need from one image; small, whatever the number of classes.

    Args:
        anomaly: Score values by name.
        truth: Known label or :data:`UNKNOWN`.
        prediction: Closed-set label.
        rank: Classes before the true one, see :func:`truth_ranks`, 0 if the prediction is
            right; -1 for an unknown image.
        classes: Known classes.
        image: Path, or another name.
    """

    anomaly: dict[str, float]
    truth: int
    prediction: int
    rank: int
    classes: int
    image: str


@METRICS.register_module()
class OpenSetRecognitionMetric(BaseMetric):
    """Closed-set accuracy, and the open-set figures of every anomaly score, in one run.

    Reads samples of mmpretrain: ``pred_score`` (C,), ``pred_label`` (1,), ``gt_label`` (1,) and
    ``anomaly_scores``, a mapping from name to one value each, or only ``anomaly_score``, which
    is then named 'anomaly'. Larger anomaly score = more unknown. ``gt_label`` is 0..C-1 for a
    known image and :data:`~mmosr.evaluation.recognition.UNKNOWN` (-1) for an unknown one: data
    sets must give their unknown images this label.

    :mod:`mmosr.evaluation.recognition` defines the figures. Result keys, in percent with four
    decimals: ``accuracy/top1``, ... over known images, and for each score the keys of
    :func:`~mmosr.evaluation.recognition.recognition_figures`, such as ``<score>/AUROC``,
    ``<score>/AUPR-Out``, ``<score>/CCR5`` and ``<score>/OSCR``, and ``<score>/macro-F1`` when
    ``thresholds`` are given. Figures that lack known or unknown images are left out, with a line
    in the log.

    A set of known images only, such as validation data, gives ``<score>/rejection-threshold``
    in score units: the value for ``thresholds`` of the test run.

    Distributed: mmengine gathers one small record per image and drops the images that the sampler
    repeats as padding, so the figures equal those of one process exactly.

    Args:
        scores: Names of the scores to evaluate. Default: all.
        topk: Guesses of the accuracies, each below the number of classes.
        ccr_rates: False positive rates of the correct classification rate, in [0, 1].
        thresholds: Scores above these are unknown, for the macro F1 (m-OvR, protocol B): one number
            for one score, or a mapping from score to number. None leaves the macro F1 out.
        rejection_rate: Share of known images that ``rejection-threshold`` rejects, in [0, 1).
        out_file: CSV file of truth, prediction and scores of every image, see
            :mod:`mmosr.evaluation.image_table`; default: none.
        **kwargs: As mmengine's ``BaseMetric``.

    Raises:
        InputError: An option is out of range. In ``process``, naming the image: a missing field or
            score, a value that is NaN or infinite, a label out of range, or a ``pred_label`` that
            does not have the largest ``pred_score``.
    """

    def __init__(
        self,
        scores: str | Sequence[str] | None = None,
        topk: int | Sequence[int] = (1,),
        ccr_rates: Sequence[float] = CCR_RATES,
        thresholds: float | Mapping[str, float] | None = None,
        rejection_rate: float = 0.1,
        out_file: str | os.PathLike | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.scores = [scores] if isinstance(scores, str) else scores
        self.topk = [topk] if isinstance(topk, int) else list(topk)
        self.ccr_rates = list(ccr_rates)
        self.thresholds = thresholds
        self.rejection_rate = rejection_rate
        self.out_file = out_file
        if not all(0 <= rate <= 1 for rate in self.ccr_rates):
            raise InputError(f"ccr_rates={self.ccr_rates}: choose rates in [0, 1].")
        if not 0 <= rejection_rate < 1:
            raise InputError(f"rejection_rate={rejection_rate}: choose a share in [0, 1).")

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep what the figures need from a batch.

        Args:
            data_batch: Unused.
            data_samples: Samples as dicts, see the class.
        """
        for sample in data_samples:
            try:
                result = self._read(sample)
                self._check_consistent(result)
            except InputError as error:
                raise InputError(f"{_name(sample)}: {error}") from error
            self.results.append(result)

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """Compute and print the figures of all images; empty if there are none."""
        if not results:
            return {}
        if self.out_file is not None:
            self._write(results)
        truth = np.array([result.truth for result in results])
        known = truth != UNKNOWN
        images = f"{known.sum()} known and {(~known).sum()} unknown images"
        if not known.any():
            self._log(f"{images}: no figures, they need known images")
            return {}
        ranks = np.array([result.rank for result in results])[known]
        metrics = {f"accuracy/top{k}": percent(np.mean(ranks < k)) for k in self.topk}
        if known.all():
            metrics.update(self._rejection_thresholds(results))
            self._log(f"{images}: {_line(metrics)}; open-set figures need unknown images")
            return metrics
        table = PrettyTable()
        open_set = self._open_set(results, truth)
        for score, values in open_set.items():
            table.field_names = ["score", *values]  # the same for all scores
            table.add_row([score, *(f"{value:.2f}" for value in values.values())])
        self._log(f"results in percent, {images}: {_line(metrics)}\n{table.get_string()}")
        metrics.update(
            (f"{score}/{name}", value)
            for score, values in open_set.items()
            for name, value in values.items()
        )
        return metrics

    def _write(self, results: list[ImageResult]) -> None:
        images = [result.image for result in results]
        truth = np.array([result.truth for result in results])
        predictions = np.array([result.prediction for result in results])
        write_image_table(self.out_file, ImageTable(images, truth, predictions, _gather(results)))
        self._log(f"scores of {len(images)} images written to {self.out_file}")

    def _rejection_thresholds(self, results: list[ImageResult]) -> dict[str, float]:
        return {
            f"{score}/rejection-threshold": rejection_threshold(values, self.rejection_rate)
            for score, values in _gather(results).items()
        }

    def _open_set(
        self, results: list[ImageResult], truth: np.ndarray
    ) -> dict[str, dict[str, float]]:
        """Figures in percent by score."""
        predictions = np.array([result.prediction for result in results])
        figures = {}
        for score, values in _gather(results).items():
            fractions = recognition_figures(values, predictions, truth, self.ccr_rates)
            if self.thresholds is not None:
                labels = reject(values, predictions, self._threshold(score))
                matrix = confusion_matrix(truth, labels, results[0].classes)
                fractions["macro-F1"] = macro_f1(matrix)
            figures[score] = {name: percent(value) for name, value in fractions.items()}
        return figures

    def _read(self, sample: Mapping) -> ImageResult:
        for field in ("pred_score", "pred_label", "gt_label"):
            if field not in sample:
                raise InputError(f"the sample has no '{field}': run a classifier on labelled data.")
        class_scores = torch.as_tensor(sample["pred_score"]).detach().cpu().float().numpy()
        if class_scores.ndim != 1:
            raise InputError(f"pred_score has shape {class_scores.shape} instead of (C,).")
        if not np.isfinite(class_scores).all():
            raise InputError("pred_score has NaN or infinite values.")
        classes = len(class_scores)
        truth = int(_value(sample["gt_label"], "gt_label"))
        prediction = int(_value(sample["pred_label"], "pred_label"))
        if not UNKNOWN <= truth < classes:
            raise InputError(
                f"gt_label is {truth}: use 0..{classes - 1} for known images and {UNKNOWN} for "
                "unknown ones."
            )
        if not (0 <= prediction < classes and class_scores[prediction] == class_scores.max()):
            raise InputError(
                f"pred_label is {prediction}, but class {class_scores.argmax()} of {classes} has "
                "the largest pred_score."
            )
        # Among equal scores the model's own label comes first, so that top-1 and CCR agree.
        ranked = np.where(np.arange(classes) == prediction, np.inf, class_scores)
        rank = -1 if truth == UNKNOWN else int(truth_ranks(ranked[None], [truth])[0])
        return ImageResult(self._anomaly(sample), truth, prediction, rank, classes, _name(sample))

    def _anomaly(self, sample: Mapping) -> dict[str, float]:
        if "anomaly_scores" in sample:
            found = sample["anomaly_scores"]
        elif "anomaly_score" in sample:
            found = {ANOMALY: sample["anomaly_score"]}
        else:
            raise InputError(
                "the sample has no 'anomaly_scores': use an open-set model, such as "
                "mmosr.OpenSetImageClassifier."
            )
        for score in self.scores or ():
            if score not in found:
                raise InputError(f"no score '{score}': the model gives {', '.join(found)}.")
        values = {}
        for score in self.scores or found:
            # float32, as the figures compare scores; an overflow is refused here.
            value = torch.as_tensor(_value(found[score], f"score '{score}'")).float().item()
            if not math.isfinite(value):
                raise InputError(f"score '{score}' is {value}: compute it in float32.")
            values[score] = value
        return values

    def _check_consistent(self, result: ImageResult) -> None:
        """Check the options once per run, and that every image has the same scores and classes."""
        if not self.results:
            for k in self.topk:
                check_top_k(k, result.classes)
            if self.thresholds is not None:
                for score in result.anomaly:
                    self._threshold(score, len(result.anomaly))
            return
        first = self.results[0]
        if result.anomaly.keys() != first.anomaly.keys() or result.classes != first.classes:
            raise InputError(
                f"scores {', '.join(result.anomaly)} and {result.classes} classes differ from the "
                f"first image, with {', '.join(first.anomaly)} and {first.classes}."
            )

    def _threshold(self, score: str, scores: int = 1) -> float:
        if isinstance(self.thresholds, Mapping):
            if score not in self.thresholds:
                raise InputError(f"thresholds has no entry for the score '{score}'.")
            return self.thresholds[score]
        if scores > 1:
            raise InputError(
                f"one threshold for {scores} scores: give thresholds as a mapping, or name one "
                "score in scores."
            )
        return self.thresholds

    def _log(self, message: str) -> None:
        print_log(message, MMLogger.get_current_instance())


def _gather(results: list[ImageResult]) -> dict[str, np.ndarray]:
    """float32 values of every score, in the order of the images."""
    return {
        score: np.array([result.anomaly[score] for result in results], np.float32)
        for score in results[0].anomaly
    }


def _value(data: torch.Tensor | float, name: str) -> float | int:
    tensor = torch.as_tensor(data)
    if tensor.numel() != 1:
        raise InputError(f"{name} has {tensor.numel()} values instead of one.")
    return tensor.item()


def _name(sample: Mapping) -> str:
    """CIFAR-10 and MNIST of mmpretrain have images without a path."""
    path = sample.get("img_path")
    return f"sample {sample.get('sample_idx')}" if path is None else str(path)


def _line(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in values.items())
