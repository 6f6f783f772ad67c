"""CPN: learnt prototypes of each class (Yang et al., CVPR 2018 and TPAMI 2020)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmosr.registry import MODELS
from mmosr.scores import max_logit, max_softmax
from mmosr.utils import InputError

from .base import OpenSetClassifier
from .cac import distances

POOLINGS = ("nearest", "sum")


class PointClassifier(OpenSetClassifier):
    """Learnt points ``p_km`` in the space of the features, M of each class.

    Args:
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        num_points: M.
        gamma: Factor of the class scores.
        weight: Factor of the classifier's own loss.

    Raises:
        InputError: ``num_points`` below 1, ``gamma`` not above 0, or ``weight`` below 0.
    """

    def __init__(
        self, in_channels: int, num_classes: int, num_points: int, gamma: float, weight: float
    ) -> None:
        super().__init__(in_channels, num_classes)
        name = type(self).__name__
        if num_points < 1:
            raise InputError(f"{name}: a class needs 1 point or more, got {num_points}")
        if gamma <= 0:
            raise InputError(f"{name}: gamma must be above 0, got {gamma}")
        if weight < 0:
            raise InputError(f"{name}: the weight of its loss must be 0 or above, got {weight}")
        self.gamma, self.weight = gamma, weight
        # Not zero: points of a class that start equal would stay equal.
        self.points = nn.Parameter(0.1 * torch.randn(num_classes, num_points, in_channels))

    def embed(self, features: Tensor) -> Tensor:
        """The features in float32, even under autocast."""
        return features.to(self.points.dtype)

    def squared_distances(self, embedding: Tensor) -> Tensor:
        """``|f - p_km|^2`` of an embedding ``(N, D, *S)``, ``(N, C, M, *S)``."""
        flat = distances(embedding, self.points.flatten(0, 1))
        return flat.square().unflatten(1, self.points.shape[:2])

    def to_own_points(
        self, embedding: Tensor, labels: Tensor, ignore_index: int
    ) -> tuple[Tensor, Tensor]:
        """Squared distances ``(K, M)`` of the K labelled samples to the points of their classes.

        Args:
            embedding: ``(N, D, *S)``.
            labels: ``(N, *S)``, known classes or ``ignore_index``.
            ignore_index: The label to leave out.

        Returns:
            The squared distances, and the classes ``(K,)``.
        """
        kept = labels != ignore_index
        own = labels[kept].long()
        squared = self.squared_distances(embedding.movedim(1, -1)[kept])
        return squared[torch.arange(len(own), device=own.device), own], own


@MODELS.register_module()
class PrototypeClassifier(PointClassifier):
    """Class scores ``-gamma min_m |f - p_km|^2`` to learnt prototypes (CPN, also called GCPL).

    With the host's cross-entropy on them this is the distance-based cross-entropy (DCE), and the
    class is that of the nearest prototype. The classifier adds the prototype loss
    ``lambda |f - p_y|^2``, ``p_y`` the nearest prototype of the sample's class (Yang et al., 2018);
    the paper of 2020 calls it the generative loss.

    Distances are squared and Euclidean, not divided by D, as in the papers and the authors' release
    (YangHM/Convolutional-Prototype-Learning). Another public version (iCGY96/ARPL, its GCPLoss, for
    CIFAR and others) divides by D; ``gamma=1/D, prototype_weight=0.05/D`` is the same. The default
    lambda has its ratio to gamma. The release's, for MNIST, is ``prototype_weight=5e-4`` (0.001
    times half the square): the DCE alone does not bring samples to their prototypes, and with so
    little of the prototype loss ``cpn`` can rank worse than chance (docs/baselines.md).

    With one prototype per class, as in the release, both poolings are the same. With several, the
    DCE of 2018 sums the probabilities of a class's prototypes, ``pooling='sum'``, though its
    decision takes the nearest one, ``pooling='nearest'``.

    The prototypes start at ``0.1 N(0, 1)``; the release starts at 0, where several prototypes of a
    class would never separate.

    Scores: ``cpn``: minus the largest class score: gamma times the squared distance to the nearest
    prototype, in squared units of the features (with ``'sum'`` up to ``log M`` less); ``msp`` of
    the softmax of the class scores. They are the distance-based and the probability-based rejection
    of the papers.

    Args:
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        num_prototypes: M.
        gamma: Hardness of the probabilities.
        prototype_weight: lambda.
        pooling: ``'nearest'``, or ``'sum'``: class scores
            ``logsumexp_m(-gamma |f - p_km|^2)``, whose softmax is the DCE of 2018.

    Raises:
        InputError: An argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        num_prototypes: int = 1,
        gamma: float = 1.0,
        prototype_weight: float = 0.05,
        pooling: str = "nearest",
    ) -> None:
        super().__init__(in_channels, num_classes, num_prototypes, gamma, prototype_weight)
        if pooling not in POOLINGS:
            raise InputError(
                f"PrototypeClassifier: pooling must be one of {POOLINGS}, got {pooling!r}"
            )
        self.pooling = pooling

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"cpn": max_logit, "msp": max_softmax}

    def class_scores(self, embedding: Tensor) -> Tensor:
        """``-gamma`` times the squared distances, pooled over the prototypes, ``(N, C, *S)``."""
        each = -self.gamma * self.squared_distances(embedding)
        return each.amax(2) if self.pooling == "nearest" else each.logsumexp(2)

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """``loss_prototype``: lambda times the mean of ``min_m |f - p_ym|^2``."""
        squared, own = self.to_own_points(embedding, labels, ignore_index)
        return {"loss_prototype": self.weight * squared.amin(1).sum() / max(len(own), 1)}
