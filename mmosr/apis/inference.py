"""From a loaded model to anomaly maps and anomaly scores of images."""

import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.structures import BaseDataElement
from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from torch import nn

from mmosr.classification import OpenSetImageClassifier
from mmosr.runs.batches import cut, run_by_size
from mmosr.utils import InputError

from .image_loading import ImageInput
from .loading import Loaded


@dataclass(frozen=True)
class AnomalyResult:
    """Prediction for one image, at the image's own resolution.

    Args:
        score: (H, W) float32, the model's first score; larger = more unknown.
        scores: Every score of the model by name, each (H, W) float32.
        pred: (H, W) int64 labels of the known classes.
        num_classes: Number of known classes.
    """

    score: np.ndarray
    scores: dict[str, np.ndarray]
    pred: np.ndarray
    num_classes: int


@dataclass(frozen=True)
class ImageAnomalyResult:
    """Prediction for one image.

    Args:
        score: The model's first score; larger = more unknown.
        scores: Every score of the model by name.
        pred: Label of the most probable known class.
        class_name: Its name; None if neither checkpoint nor data name the classes.
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


class Inferencer(ABC):
    """Results of images given as paths, arrays or PIL images.

    Args:
        model: From :func:`~mmosr.apis.load` or :func:`~mmosr.apis.init_model`.

    Raises:
        InputError: The model is of another kind, or its config has no test pipeline.
    """

    def __init__(self, model: nn.Module | Loaded) -> None:
        self.model = model.model if isinstance(model, Loaded) else model
        self.check_model(self.model)  # first: another model has no config
        self._load = Loaded.of(model).image_loader()
        self._transform = Compose(self._load.steps)

    @staticmethod
    @abstractmethod
    def check_model(model: nn.Module) -> None:
        """Reject a model that does not provide what the results need."""

    @abstractmethod
    def to_result(self, sample: BaseDataElement) -> Any:
        """The result of one data sample."""

    def __call__(self, images: ImageInput | Sequence[ImageInput], batch_size: int = 1) -> Iterator:
        """Return one result per image, in order.

        Args:
            images: One image or a list of them: paths, (H, W, 3) uint8 BGR arrays, or PIL images.
            batch_size: Images that go through the network together if their sizes are equal.

        Raises:
            InputError: An image cannot be read or used, or the batch size is below 1.
        """
        if isinstance(images, (str, os.PathLike)) or not isinstance(images, Sequence):
            images = [images]
        batches = (map(self.prepare, batch) for batch in cut(images, batch_size))
        return itertools.chain.from_iterable(self.predict(list(batch)) for batch in batches)

    def prepare(self, image: ImageInput) -> dict:
        """Load one image and convert it to the model's input.

        Raises:
            InputError: The image cannot be read, or the pipeline cannot take it.
        """
        return self._transform(self._load(image))

    @torch.no_grad()
    def predict(self, prepared: Sequence[dict]) -> list:
        """Run the model on prepared images; those of equal size form one batch."""
        if not prepared:
            return []
        return run_by_size(
            lambda batch: map(self.to_result, self.model.test_step(batch)),
            pseudo_collate(prepared),
            regroup=True,
        )


class AnomalyInferencer(Inferencer):
    """Anomaly maps of images; results: `AnomalyResult`.

    Example:
        >>> model = init_model("configs/lgmm_deeplabv3plus_demo.py", "latest.pth")
        >>> for result in AnomalyInferencer(model)(["a.png", "b.png"]):
        ...     print(result.score.shape, result.score.max())
    """

    @staticmethod
    def check_model(model: nn.Module) -> None:
        if isinstance(model, ImageClassifier):
            raise InputError(
                f"model type '{type(model).__name__}' is an image classifier, which has no anomaly "
                "maps: use tools/score_images.py or mmosr.apis.ImageInferencer"
            )
        if not hasattr(model, "score_names"):
            raise InputError(
                f"model type '{type(model).__name__}' gives no anomaly score: set "
                "type='mmosr.OpenSetEncoderDecoder' in the config, or give a score such as "
                "msp or energy (--scores)"
            )

    def to_result(self, sample: SegDataSample) -> AnomalyResult:
        maps = sample.pred_anomaly
        scores = {name: to_map(maps.get(name)) for name in self.model.score_names}
        return AnomalyResult(
            score=to_map(maps.data),
            scores=scores,
            pred=to_map(sample.pred_sem_seg.data).astype(np.int64),
            num_classes=sample.seg_logits.data.shape[0],
        )


class ImageInferencer(Inferencer):
    """Anomaly scores of whole images; results: `ImageAnomalyResult`.

    Example:
        >>> model = init_model("configs/lgmm_osrcinet_cifar10-6-4.py", "latest.pth")
        >>> for result in ImageInferencer(model)(["a.png", "b.png"], batch_size=2):
        ...     print(result.class_name, result.score)
    """

    def __init__(self, model: nn.Module | Loaded) -> None:
        super().__init__(model)
        classes, known = Loaded.of(model).classes, self.model.known_classes
        if classes is not None and len(classes) != known:
            raise InputError(
                f"the model has {known} classes, but checkpoint or test data name "
                f"{len(classes)}: use the config that the model was trained with"
            )
        self.classes = classes

    @staticmethod
    def check_model(model: nn.Module) -> None:
        if not isinstance(model, OpenSetImageClassifier):
            kind, fix = type(model).__name__, "use tools/export_heatmaps.py for anomaly maps"
            if not hasattr(model, "decode_head"):
                fix = "set type='mmosr.OpenSetImageClassifier' in the config, or give a score such "
                fix += "as msp or energy (--scores)"
            raise InputError(f"model type '{kind}' gives no anomaly score of an image: {fix}")

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


def to_map(data: torch.Tensor) -> np.ndarray:
    """A map (1, H, W) of a data sample as an array (H, W)."""
    return data.squeeze(0).cpu().numpy()
