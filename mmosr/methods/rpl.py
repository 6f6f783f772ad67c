"""RPL: discriminative reciprocal points (Chen et al., ECCV 2020)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmosr.registry import MODELS
from mmosr.scores import max_logit, max_softmax

from .cpn import PointClassifier


@MODELS.register_module()
class ReciprocalPointClassifier(PointClassifier):
    """Class scores ``gamma d(f, P_k)``: a sample lies far from the reciprocal points of its class.

    ``d(f, P_k) = mean_m |f - p_km|^2 / D`` over the M reciprocal points of class k, so that
    ``p(y=k|x) = softmax_k(gamma d(f, P_k))``, which the host's cross-entropy trains. The classifier
    adds the open-space term: ``lambda mean_m (|f - p_ym|^2 / D - R_y)^2`` with a learnt margin
    ``R_k``, which keeps the samples of a class within a bounded distance of its points.

    Choices, compared with the authors' later release (iCGY96/ARPL, its RPLoss) and a
    re-implementation (KevLuo/OpenSet_ReciprocalPoints) that they confirmed according to its author:

    * squared distances, in both;
    * the mean over D, in both terms, as in the release. The re-implementation takes it only in the
      open-space term, which is ``gamma=D`` here;
    * M = 1, gamma = 1 and lambda = 0.1, the defaults of both;
    * one margin per class and each point separately in the open-space term, as in the
      re-implementation. The release shares one margin among the classes;
    * the margins start at 0, as in both, the points at ``0.1 N(0, 1)``, as in the release;
    * means over the batch, as in the release. The re-implementation sums.

    Scores: ``rpl``: minus the largest class score, gamma times the mean squared difference per
    channel; ``msp`` of the softmax of the class scores, which the release reports. In both a known
    sample is *far*: unknown samples must fall among the reciprocal points, that is between the
    known classes and near the origin, as happens if unknown images have features of small norm.
    A sample that is further out than all known ones counts as known by ``rpl``.

    Args:
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        num_points: Reciprocal points M of each class.
        gamma: Hardness of the probabilities.
        open_space_weight: lambda.

    Raises:
        InputError: An argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        num_points: int = 1,
        gamma: float = 1.0,
        open_space_weight: float = 0.1,
    ) -> None:
        super().__init__(in_channels, num_classes, num_points, gamma, open_space_weight)
        self.margins = nn.Parameter(torch.zeros(num_classes))

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"rpl": max_logit, "msp": max_softmax}

    def squared_distances(self, embedding: Tensor) -> Tensor:
        """``|f - p_km|^2 / D`` of an embedding ``(N, D, *S)``, ``(N, C, M, *S)``."""
        return super().squared_distances(embedding) / self.in_channels

    def class_scores(self, embedding: Tensor) -> Tensor:
        """``gamma d(f, P_k)``, at least 0, ``(N, C, *S)``."""
        return self.gamma * self.squared_distances(embedding).mean(2)

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """``loss_open_space``: lambda times the mean of ``(|f - p_ym|^2 / D - R_y)^2``."""
        squared, own = self.to_own_points(embedding, labels, ignore_index)
        excess = squared - self.margins[own].unsqueeze(1)
        return {"loss_open_space": self.weight * excess.square().mean(1).sum() / max(len(own), 1)}
