"""The contract of every open-set classifier."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmosr.registry import MODELS
from mmosr.scores import max_softmax, one_vs_rest


class ChannelLinear(nn.Linear):
    """A linear layer over dimension 1 of ``(N, D)`` or ``(N, D, *S)``: a 1x1 convolution.

    Keeps the precision of its weights even under autocast.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.weight.dtype)
            if features.dim() == 2:
                return super().forward(features)
            flat = F.conv1d(features.flatten(2), self.weight.unsqueeze(-1), self.bias)
            return flat.unflatten(2, features.shape[2:])


class OpenSetClassifier(nn.Module, ABC):
    """The last layer of an open-set model: features -> class scores and anomaly scores.

    A classifier knows nothing of mmseg or mmpretrain. Features are ``(N, D)`` or ``(N, D, *S)``
    (channel dimension 1), class scores ``(N, C, *S)`` are logits: their softmax is the
    probability of the known classes. Anomaly scores ``(N, *S)`` are functions of the class scores,
    so that they can be taken after a host has resized or averaged the class scores, or of the
    embedding. A larger anomaly score means more unknown.

    Args:
        in_channels: Channels D of the incoming features.
        num_classes: Known classes C.
    """

    # Whether :meth:`loss` uses samples labelled 254 (unknown).
    trains_on_outliers: bool = False

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_classes = num_classes

    @property
    @abstractmethod
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """The method's own anomaly scores of the class scores by name; the first is the default."""

    @property
    def embedding_scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Anomaly scores ``(N, *S)`` of the embedding, not computable from the class scores."""
        return {}

    def embed(self, features: Tensor) -> Tensor:
        """Map the features ``(N, D, *S)`` to the space of the method."""
        return features

    @abstractmethod
    def class_scores(self, embedding: Tensor) -> Tensor:
        """Class scores ``(N, C, *S)`` of an embedding."""

    def forward(self, features: Tensor) -> Tensor:
        """Class scores ``(N, C, *S)`` of features ``(N, D, *S)``."""
        return self.class_scores(self.embed(features))

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """Losses in addition to the host's own loss on the class scores.

        Args:
            embedding: What :meth:`embed` returned, ``(N, D, *S)``.
            labels: ``(N, *S)``, known classes, ``ignore_index``, and 254 where the classifier
                ``trains_on_outliers``.
            ignore_index: The label to leave out.

        Returns:
            Scalars by name; names that start with ``loss`` are added to the total.
        """
        return {}


@MODELS.register_module()
class LinearClassifier(OpenSetClassifier):
    """The usual linear layer: softmax with the host's cross-entropy, DOC with one-vs-rest.

    DOC (Shu et al., 2017) is this classifier with ``MOvRLoss(margin=0, scale=None)``; its score is
    ``doc``: ``1 - max_k sigmoid(l_k)``, as ``sigmoid(-max_k l_k)``, in ``[0, 1]``. The others are
    ``msp`` and ``one_vs_rest`` of the class scores.

    Args:
        in_channels: Channels of the features.
        num_classes: Known classes C.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes)
        self.projection = ChannelLinear(in_channels, num_classes)

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {
            "doc": lambda logits: torch.sigmoid(-logits.amax(1)),
            "msp": max_softmax,
            "one_vs_rest": one_vs_rest,
        }

    def class_scores(self, embedding: Tensor) -> Tensor:
        """The logits, ``(N, C, *S)``, in float32 even under autocast."""
        return self.projection(embedding)
