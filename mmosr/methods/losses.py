"""What the losses on class scores share: ignored labels, weights and the mean."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn


class ClassScoreLoss(nn.Module, ABC):
    """A loss of class scores ``(N, C, *S)`` and labels ``(N, *S)``, for either host.

    The mean is over the labelled samples, each weighted by ``weight`` and the ``class_weight`` of
    its label, as in :func:`torch.nn.functional.cross_entropy`. Float32 even under autocast.

    Args:
        loss_weight: Factor of the result.
        class_weight: One factor per class.
        loss_name: Key of the result in the host's log; starts with ``loss``.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        class_weight: Sequence[float] | None = None,
        loss_name: str = "loss_open_set",
    ) -> None:
        super().__init__()
        self.loss_weight, self.loss_name = loss_weight, loss_name
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        self.register_buffer("class_weight", weight, persistent=False)

    @abstractmethod
    def per_sample(self, class_scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of each sample, ``(N, *S)``; every label is a class."""

    def forward(
        self,
        class_scores: Tensor,
        labels: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        ignore_index: int = 255,
        reduction_override: Literal["none"] | None = None,
        **_,
    ) -> Tensor:
        """The weighted mean, a scalar; zero, with gradients of zero, when no sample is labelled.

        Args:
            class_scores: ``(N, C, *S)``.
            labels: ``(N, *S)``, classes or ``ignore_index``.
            weight: ``(N, *S)``, such as a sampler's choice of hard pixels.
            avg_factor: Divides the sum instead of the sum of the weights.
            ignore_index: The label to leave out.
            reduction_override: ``'none'`` returns the weighted loss of each sample ``(N, *S)``, as
                mmseg's sampler of hard pixels needs it.
        """
        if class_scores.dtype in (torch.float16, torch.bfloat16):
            class_scores = class_scores.float()
        kept = (labels != ignore_index).to(class_scores)
        labels = labels.masked_fill(labels == ignore_index, 0).long()
        if weight is not None:
            kept = kept * weight
        if self.class_weight is not None:
            kept = kept * self.class_weight.to(kept)[labels]
        with torch.autocast(class_scores.device.type, enabled=False):
            values = self.loss_weight * kept * self.per_sample(class_scores, labels)
        if reduction_override == "none":
            return values
        if avg_factor is None:
            total = kept.sum()
            # Not a tiny number: a loss scaler times its reciprocal is infinite.
            avg_factor = total.masked_fill(total == 0, 1.0)
        return values.sum() / avg_factor


def of_class(values: Tensor, labels: Tensor) -> Tensor:
    """``values (N, C, *S)`` at each sample's own class, ``(N, *S)``."""
    return values.gather(1, labels.unsqueeze(1)).squeeze(1)
