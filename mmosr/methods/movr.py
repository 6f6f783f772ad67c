"""m-OvR: marginal one-vs-rest learning of unit prototypes.

Park, Park, Jeong and Teoh, "Understanding Open-Set Recognition by Jacobian Norm of Representation",
2022. Sections and equations are those of the paper.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmosr.registry import MODELS
from mmosr.scores import max_logit, one_vs_rest
from mmosr.scores.functional import one_vs_rest_loss

from .base import OpenSetClassifier
from .losses import ClassScoreLoss


@MODELS.register_module()
class CosineClassifier(OpenSetClassifier):
    """Cosine of unit-normalised features and unit-normalised prototypes (section V-B).

    The class scores are ``T w_k . f`` with ``|w_k| = |f| = 1``; they contain no margin, so they are
    those of the test. With :class:`MOvRLoss` this is m-OvR, whose ``p(k|x)`` is the sigmoid of the
    class score; with the host's cross-entropy it is the normalised softmax (N-SCE).

    Scores: ``movr``: eq. 22, the one-vs-rest loss at the pseudo-label ``argmax_k p(k|x)``;
    ``max_cosine``: ``-T max_k w_k . f``.

    Args:
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        scale: T.
    """

    def __init__(self, in_channels: int, num_classes: int, scale: float = 32.0) -> None:
        super().__init__(in_channels, num_classes)
        if scale <= 0:
            raise ValueError(f"scale must be above 0, got {scale}")
        self.scale = scale
        self.prototypes = nn.Parameter(torch.randn(num_classes, in_channels))

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"movr": one_vs_rest, "max_cosine": max_logit}

    def embed(self, features: Tensor) -> Tensor:
        """Features of unit norm, in float32 even under autocast; a zero vector stays zero."""
        return unit(features.to(self.prototypes.dtype))

    def class_scores(self, embedding: Tensor) -> Tensor:
        """``T cos``, in ``[-T, T]``."""
        with torch.autocast(embedding.device.type, enabled=False):
            prototypes = self.scale * F.normalize(self.prototypes, dim=1)
            return torch.einsum("nd...,kd->nk...", embedding, prototypes)


def unit(features: Tensor) -> Tensor:
    """Features ``(N, D, *S)`` divided by their norm; a zero vector stays zero."""
    norm = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    # F.normalize divides a zero vector, and so its gradient, by 1e-12.
    return features / norm.masked_fill(norm == 0, 1.0)


def margin_cosine(cosine: Tensor, margin: float) -> Tensor:
    """``cos(theta + m)`` of ``cos(theta)``, eq. 24, decreasing in theta on the whole ``[0, pi]``.

    By the addition theorem, ``cos(theta) cos(m) - sin(theta) sin(m)``, which is eq. 24 without its
    arccos. Where ``theta + m`` exceeds pi, ``cos(theta + m)`` rises again and its gradient would
    push a sample opposite to its prototype further away; there the curve continues as
    ``cos(theta) + cos(m) - 1``, which meets it at -1 and keeps decreasing.

    Args:
        cosine: Any shape. The sine has infinite slope at +-1, so its square is kept above the
            rounding error of ``1 - cosine^2``: the gradient is finite there, and where rounding
            goes beyond.
        margin: m in radians, in ``[0, pi)``.
    """
    sine = (1 - cosine.square()).clamp_min(torch.finfo(cosine.dtype).eps).sqrt()
    turned = cosine * math.cos(margin) - sine * math.sin(margin)
    return torch.where(cosine > -math.cos(margin), turned, cosine + math.cos(margin) - 1)


@MODELS.register_module()
class MOvRLoss(ClassScoreLoss):
    """Marginal one-vs-rest loss (eq. 23 and 24).

    ``-log p(y|x) - sum_{k != y} log(1 - p(k|x))`` with ``p(k|x) = sigmoid(T s_k)`` and the margin
    on the similarity ``s_k`` of every class. The second term of eq. 23 as printed repeats
    ``1{y = k}``; proposition 5 and the text need ``1{y != k}``, which is used.

    Args:
        margin: m in radians, in ``[0, pi/2]``; 0 is plain one-vs-rest.
        scale: T, that of the classifier. ``None`` uses the class scores unscaled, for a
            classifier without normalisation: with ``margin=0`` this is DOC.
        **kwargs: See :class:`ClassScoreLoss`.
    """

    def __init__(
        self,
        margin: float = 0.5,
        scale: float | None = 32.0,
        loss_name: str = "loss_movr",
        **kwargs,
    ) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        if not 0 <= margin <= math.pi / 2:
            raise ValueError(f"margin must be between 0 and pi/2, got {margin}")
        if scale is None and margin > 0:
            raise ValueError(
                "a margin needs the scale of a CosineClassifier; set scale, or margin=0"
            )
        if scale is not None and scale <= 0:
            raise ValueError(f"scale must be above 0, got {scale}")
        self.margin, self.scale = margin, scale

    def per_sample(self, class_scores: Tensor, labels: Tensor) -> Tensor:
        if self.margin > 0:
            class_scores = self.scale * margin_cosine(class_scores / self.scale, self.margin)
        return one_vs_rest_loss(class_scores, labels)
