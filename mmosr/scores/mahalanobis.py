"""Mahalanobis distance to the class means of the features (Lee et al., 2018)."""

import math

import torch
from torch import Tensor

from mmosr.registry import SCORES
from mmosr.utils import InputError

from .base import FittedMapScore
from .fitted import class_sums

COVARIANCES = ("tied", "per_class")


@SCORES.register_module("mahalanobis")
class Mahalanobis(FittedMapScore):
    """``min_y (f - mu_y)^T S'^-1 (f - mu_y)``, a squared distance (Lee et al., 2018, eq. 2).

    ``mu_y`` are the means of the features by label, ``S`` the covariance around them (1/N, eq. 1),
    and ``S' = (1 - s) S + s trace(S)/D I``. A direction without variance, possible only
    with ``s = 0``, does not count (pseudo-inverse).

    The covariance is the difference of float64 moments: features with mean 100 and standard
    deviation 0.1 keep 9 digits.

    Left out of the minimum, with a warning: a class without a sample; with ``per_class`` also a
    class with a single sample or without any variance, and with ``per_class`` and ``s = 0`` a
    class with at most D samples, whose covariance cannot be inverted.

    Args:
        num_classes: Known classes C.
        feature_dims: Channels D of the features.
        covariance: ``'tied'``: one for all classes; ``'per_class'``: its own for each (C D^2
            numbers).
        shrinkage: s, in ``[0, 1]``, as in scikit-learn's ShrunkCovariance.
    """

    space = "features"

    def __init__(
        self,
        num_classes: int,
        feature_dims: int | None = None,
        covariance: str = "tied",
        shrinkage: float = 1e-3,
    ) -> None:
        super().__init__(num_classes, feature_dims)
        if covariance not in COVARIANCES:
            raise ValueError(f"covariance must be one of {COVARIANCES}, got {covariance!r}")
        if not 0 <= shrinkage <= 1:
            raise ValueError(f"shrinkage must be in [0, 1], got {shrinkage}")
        self.tied, self.shrinkage = covariance == "tied", shrinkage
        matrices = 1 if self.tied else num_classes
        self.add_statistic("centres", matrices, feature_dims)
        self.add_statistic("whitening", matrices, feature_dims, feature_dims)
        self.add_statistic("whitened_means", num_classes, feature_dims)
        self.add_statistic("usable", num_classes)

    def score(self, maps: Tensor) -> Tensor:
        maps = maps.movedim(1, -1)
        distances = self._distances(maps.flatten(0, -2))
        return distances.masked_fill(self.usable == 0, math.inf).amin(1).reshape(maps.shape[:-1])

    def _distances(self, rows: Tensor) -> Tensor:
        """Smallest for the class that a row is nearest to, ``(M, C)`` of rows ``(M, D)``."""
        return self._squared_distances(rows)

    def _squared_distances(self, rows: Tensor) -> Tensor:
        """``(M, C)`` of rows ``(M, D)``."""
        # Centred before the product, and from differences of whitened rows: otherwise a large
        # common mean and well separated classes would cost digits of float32.
        if self.tied:
            white, mode = self._white(rows, 0), "donot_use_mm_for_euclid_dist"
            return torch.cdist(white, self.whitened_means, compute_mode=mode).square()
        columns = [
            (self._white(rows, y) - self.whitened_means[y]).square().sum(1)
            for y in range(self.num_classes)
        ]
        return torch.stack(columns, 1)

    def _white(self, rows: Tensor, matrix: int) -> Tensor:
        return (rows - self.centres[matrix]) @ self.whitening[matrix]

    def accumulate(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Number, sum and sum of outer products of the features: of all, or of each class."""
        self.require_rows(rows, labels)
        rows = rows.double()
        groups = [rows] if self.tied else [rows[labels == y] for y in range(self.num_classes)]
        outer = torch.stack([group.T @ group for group in groups])
        return {**class_sums(rows, labels, self.num_classes), "outer": outer}

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        count, total = sums["count"], sums["total"]
        means = total / count.clamp_min(1).unsqueeze(1)
        whitening, log_volume = self._whiten(count, means, sums["outer"])
        usable = whitening.flatten(1).any(1)
        if not self.tied:
            usable &= count >= (2 if self.shrinkage else self.feature_dims + 1)
        usable = usable & (count > 0)
        if not usable.any():
            raise InputError(
                f"{type(self).__name__} cannot be fitted: the features do not vary within a "
                "class, or no class has enough samples; fit it on more data"
            )
        self.centres.copy_(total.sum(0) / count.sum() if self.tied else means)
        self.whitening.copy_(whitening)
        self._keep_volumes(log_volume)
        # Around the rounded centres, so that their rounding does not matter.
        centred = (means - self.centres.double()).unsqueeze(1)
        self.whitened_means.copy_((centred @ whitening).squeeze(1))
        self.usable.copy_(usable)
        left_out = (~usable).nonzero().flatten().tolist()
        if not left_out:
            return None
        return f"classes {left_out} have too few samples: they are left out of the minimum"

    def _whiten(self, count: Tensor, means: Tensor, outer: Tensor) -> tuple[Tensor, Tensor]:
        """``W`` with ``W W^T = S'^-1``, ``(1 or C, D, D)``, and ``1/2 log det S'``.

        Both within the directions that vary; W is zero if none does.
        """
        variance = _total_variance(count, means, outer)
        around_zero = count[:, None, None] * means.unsqueeze(2) * means.unsqueeze(1)
        if self.tied:
            count, around_zero = count.sum(0, keepdim=True), around_zero.sum(0, keepdim=True)
        count = count.clamp_min(1)[:, None, None]
        covariance = (outer - around_zero) / count
        target = self._shrinkage_target(covariance, variance)
        shrunk = (1 - self.shrinkage) * covariance + self.shrinkage * target
        values, vectors = torch.linalg.eigh(shrunk)
        # Variance that can come from rounding the moments.
        rounding = 16 * torch.finfo(torch.float64).eps * trace(outer / count)
        kept = values > rounding.unsqueeze(1)
        scale = torch.where(kept, values, math.inf).rsqrt()
        volume = 0.5 * torch.where(kept, values, 1.0).log().sum(1)
        return vectors * scale.unsqueeze(1), volume

    def _shrinkage_target(self, covariance: Tensor, variance: Tensor) -> Tensor:
        """What covariances ``(1 or C, D, D)`` shrink to; ``variance`` is that of all rows, (D,)."""
        mean_variance = trace(covariance)[:, None, None] / self.feature_dims
        return mean_variance * torch.eye(self.feature_dims).to(covariance)

    def _keep_volumes(self, log_volume: Tensor) -> None:
        """For scores in which the volumes of the classes count."""


@SCORES.register_module("mahalanobis_per_class")
class MahalanobisPerClass(Mahalanobis):
    """:class:`Mahalanobis` with a covariance for each class."""

    def __init__(self, num_classes: int, feature_dims: int | None = None, **options) -> None:
        super().__init__(num_classes, feature_dims, **{"covariance": "per_class", **options})


@SCORES.register_module("feature_likelihood")
class FeatureLikelihood(MahalanobisPerClass):
    """``-max_y log N(f; mu_y, S'_y)``, the likelihood of the features under Gaussian classes.

    The score of L-GMM's paper, for one Gaussian per class with a full covariance, fitted after the
    training: the classifier of Lee et al. (2018, section 2.1), who have one covariance. In addition
    to ``mahalanobis_per_class`` it has the volume ``1/2 log det S'_y`` of each class, without which
    a class with a large spread takes everything.

    ``S' = (1 - s) S + s V`` with V diagonal, the variances of all rows, so features may differ in
    scale.

    Args:
        num_classes: Known classes C.
        feature_dims: Channels D of the features.
        shrinkage: s, in ``[0, 1]``.
    """

    def __init__(
        self, num_classes: int, feature_dims: int | None = None, shrinkage: float = 0.01
    ) -> None:
        super().__init__(num_classes, feature_dims, shrinkage=shrinkage)
        self.add_statistic("log_volumes", num_classes)

    def _distances(self, rows: Tensor) -> Tensor:
        constant = 0.5 * self.feature_dims * math.log(2 * math.pi)
        return 0.5 * self._squared_distances(rows) + self.log_volumes + constant

    def _shrinkage_target(self, covariance: Tensor, variance: Tensor) -> Tensor:
        return variance.diag().to(covariance)

    def _keep_volumes(self, log_volume: Tensor) -> None:
        self.log_volumes.copy_(log_volume)


@SCORES.register_module("layer_likelihood")
class LayerLikelihood(FeatureLikelihood):
    """:class:`FeatureLikelihood` of all layers together.

    The maps of all levels of the backbone and the input of the last layer, resized to the latter;
    for segmentation models only. Shallow layers know textures and colours that deep ones, trained
    to tell classes apart, forget.
    """

    space = "layers"


def _total_variance(count: Tensor, means: Tensor, outer: Tensor) -> Tensor:
    """Variance (1/N) of all rows, ``(D,)``, from the moments of each class or of all."""
    total = count.sum().clamp_min(1)
    mean = (count.unsqueeze(1) * means).sum(0) / total
    return (outer.sum(0).diagonal() / total - mean.square()).clamp_min(0)


def trace(matrices: Tensor) -> Tensor:
    """``(K,)`` of ``(K, D, D)``."""
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)
