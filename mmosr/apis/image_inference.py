"""From a loaded model to anomaly scores of whole images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mmpretrain.structures import DataSample
from torch import nn

from mmosr.classification import OpenSetImageClassifier
from mmosr.utils import InputError

from .inference import Inferencer
from .loading import Loaded


@dataclass(frozen=True)
class ImageAnomalyResult:
    """What the model says about one image.

    Args:
        score: The model's first score; larger = more unknown.
        scores: Every score of the model by name.
        pred: Label of the most probable known class.
        class_name: Its name; None where neither checkpoint nor data name the classes.
        probabilities: (C,) float32, of the known classes.
        unknown: Whether the first score is above the model's ``reject_threshold``; None without a
            threshold.
    """

    score: float
    scores: dict[str, float]
    pred: int
    class_name: str | None
    probabilities: np.ndarray
    unknown: bool | None


class ImageInferencer(Inferencer):
    """Anomaly scores of images given as paths, arrays or PIL images; results: `ImageAnomalyResult`.

    Example:
        >>> model = init_model("configs/lgmm_osrcinet_cifar10-6-4.py", "latest.pth")
        >>> for result in ImageInferencer(model)(["a.png", "b.png"], batch_size=2):
        ...     print(result.class_name, result.score)

    Args:
        model: From :func:`~mmosr.apis.load` or :func:`~mmosr.apis.init_model`.

    Raises:
        InputError: The model gives no anomaly score of images, or its config has no test pipeline.
    """

    def __init__(self, model: nn.Module | Loaded) -> None:
        super().__init__(model)
        classes, known = Loaded.of(model).classes, self.model.known_classes
        if classes is not None and len(classes) != known:
            raise InputError(
                f"the model has {known} classes, and checkpoint or test data name "
                f"{len(classes)}: use the config that the model was trained with"
            )
        self.classes = classes

    @staticmethod
    def check_model(model: nn.Module) -> None:
        if not isinstance(model, OpenSetImageClassifier):
            raise InputError(
                f"model type '{type(model).__name__}' gives no anomaly score of an image: set "
                "type='mmosr.OpenSetImageClassifier' in the config, or give a score such as msp "
                "or energy (--scores); tools/export_heatmaps.py is for segmentation models"
            )

    def to_result(self, sample: DataSample) -> ImageAnomalyResult:
        pred = int(sample.pred_label)
        open_set = sample.get("pred_open_set")
        return ImageAnomalyResult(
            score=float(sample.anomaly_score),
            scores={name: float(value) for name, value in sample.anomaly_scores.items()},
            pred=pred,
            class_name=None if self.classes is None else self.classes[pred],
            probabilities=sample.pred_score.cpu().numpy(),
            unknown=None if open_set is None else int(open_set) < 0,
        )
