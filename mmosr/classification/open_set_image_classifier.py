"""Image classifiers that give anomaly scores next to their predictions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmosr.registry import MODELS, SCORES
from mmosr.scored_model import ScoredModel
from mmosr.scores import Fitted, Score
from mmosr.utils import UNKNOWN, InputError

from .features import Features, check_gives_features
from .fitting import fit_step
from .heads import OpenSetClsHead, known_labels, soft_targets
from .plain_heads import count_classes, last_linear, logits_of


@dataclass
class Caught:
    """What passed through the head: the features ``(N, D)`` and class scores of each call."""

    features: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)


@MODELS.register_module()
class OpenSetImageClassifier(ScoredModel, ImageClassifier):
    """mmpretrain's :class:`ImageClassifier` with anomaly scores.

    Each data sample gets ``anomaly_score``, the first score, and ``anomaly_scores``, every score by
    name; float32 scalars, larger = more unknown. ``pred_score`` and ``pred_label`` are those of the
    host, and so is the state dict. With CAC the predicted class is the nearest anchor, which has
    the smallest ``gamma`` of eq. 8.

    A plain head provides the post-hoc scores: its class scores are the logits, and its features the
    input of its last linear layer. If the head has no layer, like mmpretrain's ``ClsHead`` after
    VGG, that is the last linear layer before it.

    Args:
        *args: See the host.
        score: See :class:`~mmosr.scored_model.ScoredModel`.
        reject_threshold: With a threshold, ``pred_open_set`` ``(1,)`` is the predicted label, or -1
            if the first score is above it.
        rotation_head: Config of a :class:`RotationHead`, trained next to the head; its
            ``in_channels`` are filled in.
        **kwargs: See the host.

    Raises:
        InputError: The model lacks a score, the head has no softmax class scores (such as a
            multi-label one), an open-set head is on a backbone that ends in class scores, or there
            are mixing augmentations although the head needs hard labels.
    """

    host_type = ImageClassifier

    def __init__(self, *args, rotation_head: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.head, OpenSetClsHead):
            check_gives_features(self.backbone)
        mixes = getattr(self.data_preprocessor, "batch_augments", None) is not None
        if mixes and isinstance(self.head, OpenSetClsHead) and self.head.needs_hard_labels:
            raise soft_targets(self.head.name)
        self.rotation_head = None
        if rotation_head is not None:
            if self.feature_dims is None:
                raise self._no_features("rotation_head")
            self.rotation_head = MODELS.build(dict(rotation_head, in_channels=self.feature_dims))

    @property
    def classifier(self) -> nn.Module | None:
        """The open-set classifier; None for a plain head."""
        return self.head.classifier if isinstance(self.head, OpenSetClsHead) else None

    @property
    def known_classes(self) -> int:
        """Number of class scores C.

        Raises:
            InputError: The head has no softmax class scores, or their number is unknown.
        """
        return count_classes(self)

    @property
    def last_layer(self) -> nn.Module | None:
        """What turns features ``(N, D)`` into class scores; None if that is not a single layer."""
        return last_linear(self) if self.classifier is None else self.classifier

    @property
    def feature_dims(self) -> int | None:
        if self.classifier is not None:
            return self.classifier.in_channels
        layer = last_linear(self)
        return None if layer is None else layer.in_features

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """The losses of the head, on the unrotated images, and of the rotation head.

        Raises:
            InputError: An image has no known class.
        """
        if not isinstance(self.head, OpenSetClsHead) and "gt_score" not in data_samples[0]:
            known_labels(data_samples, self.known_classes)  # the host's error does not mention -1
        if self.rotation_head is None:
            return super().loss(inputs, data_samples)
        views, turns = self.rotation_head.views(inputs)
        feats = self.extract_feat(views)
        losses = self.head.loss(_first(feats, len(inputs)), data_samples)
        losses.update(self.rotation_head.loss(self.head.pre_logits(feats), turns))
        return losses

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs
    ) -> list[DataSample]:
        with self.catch() as caught:
            samples = super().predict(inputs, data_samples, **kwargs)
        scores = {name: self._score(name, inputs, caught).float() for name in self.active_scores}
        for index, sample in enumerate(samples):
            values = {name: value[index] for name, value in scores.items()}
            if values:
                self._attach(sample, values)
        return samples

    def _attach(self, sample: DataSample, values: dict[str, Tensor]) -> None:
        first = values[self.active_scores[0]]
        sample.set_field(first, "anomaly_score")
        sample.set_field(values, "anomaly_scores")
        if self.reject_threshold is not None:
            rejected = first > self.reject_threshold
            sample.set_field(sample.pred_label.masked_fill(rejected, UNKNOWN), "pred_open_set")

    # --- inputs of the scores -------------------------------------------------------

    @contextmanager
    def catch(self) -> Iterator[Caught]:
        """Collect what passes through the head for a while."""
        caught, before_layer = Caught(), nullcontext()
        if self.last_layer is not None:
            before_layer = self.last_layer.register_forward_pre_hook(
                lambda _, inputs: caught.features.append(inputs[0])
            )
        behind_head = self.head.register_forward_hook(
            lambda _, inputs, output: caught.logits.append(logits_of(output))
        )
        with before_layer, behind_head:
            yield caught

    def logits_function(self, inputs: Tensor) -> Tensor:
        """Compute class scores ``(N, C)`` from network inputs, with gradients."""
        return logits_of(self.head(self.extract_feat(inputs)))

    def _score(self, name: str, inputs: Tensor, caught: Caught) -> Tensor:
        space, function = self.score_space(name), self.score_function(name)
        if space == "inputs":
            return function(inputs, self.logits_function)
        if space == "logits":
            return function(caught.logits[0].float())
        features = caught.features[0]
        return function(self.classifier.embed(features) if space == "embedding" else features)

    def _build_score(self, config: str | Mapping) -> Score:
        kind = config if isinstance(config, str) else config.get("type")
        if getattr(SCORES.get(kind), "space", None) == "features" and self.feature_dims is None:
            raise self._no_features(f"score {kind}")
        return super()._build_score(config)

    def _no_features(self, what: str) -> InputError:
        return InputError(
            f"{what} needs the features before the last layer, but {type(self.head).__name__} does "
            "not end in one linear layer per class: choose a score of the logits, or another head"
        )

    def fit_step(self, data: dict, parts: Mapping[str, Fitted]) -> None:
        """See :func:`~mmosr.classification.fitting.fit_step`."""
        fit_step(self, data, parts)


def _first(feats: Features, count: int) -> Features:
    """The features of the first images of a batch."""
    if isinstance(feats, torch.Tensor):
        return feats[:count]
    return type(feats)(_first(part, count) for part in feats)
