"""From a config and a checkpoint to anomaly maps of images."""

import copy
import itertools
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from mmengine.structures import BaseDataElement
from mmpretrain.models.classifiers import ImageClassifier
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from torch import nn

from mmosr.config.fit_loader import find_test_dataset
from mmosr.config.loading import load_config
from mmosr.engine.checkpoint import load_checkpoint_strict, load_statistics
from mmosr.runs.batches import cut, run_by_size
from mmosr.scored_model import set_scores
from mmosr.utils import InputError

from .image_loading import ImageInput, ImageLoader


@dataclass(frozen=True)
class AnomalyResult:
    """What the model says about one image, at the image's own resolution.

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


def init_model(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None,
    device: str | None = None,
    cfg_options: dict | None = None,
    score: str | Sequence[str] | None = None,
    trust: bool = False,
) -> nn.Module:
    """Build a segmentor or classifier and load its weights and fitted statistics.

    Args:
        config: Config file, or its content; not changed.
        checkpoint: Checkpoint file. Every key and shape must fit. With None the weights are random,
            with a warning.
        device: Such as ``cpu`` or ``cuda:1``; default: the first GPU, or the CPU without one.
        cfg_options: Settings merged into the config.
        score: Anomaly score or scores in place of the config's. A plain mmseg ``EncoderDecoder``
            becomes an ``mmosr.OpenSetEncoderDecoder`` with these post-hoc scores, an mmpretrain
            ``ImageClassifier`` an ``mmosr.OpenSetImageClassifier``.
        trust: Allow a checkpoint that runs code when it is read. Only for files of your own.

    Returns:
        The model in evaluation mode, with ``cfg`` and ``dataset_meta``.

    Raises:
        InputError: A file is missing, the weights do not fit, or the score does not exist.
    """
    if isinstance(config, Config):
        config = copy.deepcopy(config)
        config.merge_from_dict(cfg_options or {})
    else:
        config = load_config(config, cfg_options)
    device = _choose_device(device)
    register_all_modules(init_default_scope=False)
    init_default_scope(config.get("default_scope") or "mmseg")
    if score is not None:
        set_scores(config.model, score)
    model = MODELS.build(config.model)
    if checkpoint is None:
        warnings.warn("no checkpoint: the weights of the model are random", stacklevel=2)
        content = {}
    else:
        content = load_checkpoint_strict(model, checkpoint, trust=trust)
    load_statistics(model, content)
    model.dataset_meta = content.get("meta", {}).get("dataset_meta") or _dataset_meta(config)
    model.cfg = config
    return model.to(device).eval()


def _choose_device(device: str | None) -> torch.device:
    if device is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device '{device}' cannot be used: {reason}") from error


def _dataset_meta(config: Config) -> dict | None:
    """Classes and palette of the config's test data, which need not be on this machine."""
    dataset = find_test_dataset(config)
    dataset = dataset.get("known") or dataset
    if "type" not in dataset:
        return None
    try:
        return DATASETS.build({**dataset, "lazy_init": True, "pipeline": []}).metainfo
    except (AssertionError, OSError, InputError):  # some look for their folders even so
        return None


class Inferencer(ABC):
    """Results of images given as paths, arrays or PIL images.

    Args:
        model: From :func:`init_model`.

    Raises:
        InputError: The model is of another kind, or its config has no test pipeline.
    """

    def __init__(self, model: nn.Module) -> None:
        self.check_model(model)
        self.model = model
        init_default_scope(model.cfg.get("default_scope") or "mmseg")
        self._load = ImageLoader(model.cfg)
        self._transform = Compose(self._load.steps)

    @staticmethod
    @abstractmethod
    def check_model(model: nn.Module) -> None:
        """Refuse a model that does not give what the results hold."""

    @abstractmethod
    def to_result(self, sample: BaseDataElement) -> Any:
        """The result of one data sample."""

    def __call__(self, images: ImageInput | Sequence[ImageInput], batch_size: int = 1) -> Iterator:
        """Give one result an image, in order.

        Args:
            images: One image or a list of them: paths, (H, W, 3) uint8 BGR arrays, or PIL images.
            batch_size: Images that go through the network together when their sizes are equal.

        Raises:
            InputError: An image cannot be read or taken, or the batch size is below 1.
        """
        if isinstance(images, (str, os.PathLike)) or not isinstance(images, Sequence):
            images = [images]
        batches = (map(self.prepare, batch) for batch in cut(images, batch_size))
        return itertools.chain.from_iterable(self.predict(list(batch)) for batch in batches)

    def prepare(self, image: ImageInput) -> dict:
        """Load one image and bring it into the form that the model takes.

        Raises:
            InputError: The image cannot be read, or is none that the pipeline can take.
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
    """Anomaly maps of images given as paths, arrays or PIL images; results: `AnomalyResult`.

    Example:
        >>> model = init_model("configs/lgmm_deeplabv3plus_demo.py", "latest.pth")
        >>> for result in AnomalyInferencer(model)(["a.png", "b.png"]):
        ...     print(result.score.shape, result.score.max())

    Args:
        model: From :func:`init_model`.

    Raises:
        InputError: The model gives no anomaly map, or its config has no test pipeline.
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
                "msp or energy (--score)"
            )

    def to_result(self, sample: SegDataSample) -> AnomalyResult:
        maps = sample.pred_anomaly
        scores = {name: _to_map(maps.get(name)) for name in self.model.score_names}
        return AnomalyResult(
            score=_to_map(maps.data),
            scores=scores,
            pred=_to_map(sample.pred_sem_seg.data).astype(np.int64),
            num_classes=sample.seg_logits.data.shape[0],
        )


def _to_map(data: torch.Tensor) -> np.ndarray:
    return data.squeeze(0).cpu().numpy()
