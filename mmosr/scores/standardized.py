"""Standardized max logits, with the smoothing of the paper (Jung et al., 2021)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmosr.registry import SCORES
from mmosr.utils import InputError

from .base import FittedMapScore
from .fitted import class_sums

# Distances from a class border that count as boundary, a round each: bands of width 8, 6, 4, 2.
BOUNDARY_RADII = (4, 3, 2, 1)
GAUSSIAN_RADIUS, GAUSSIAN_SIGMA, GAUSSIAN_DILATION = 3, 1.0, 6


def class_boundary(labels: Tensor) -> Tensor:
    """Pixels with a pixel of another class above, below, left or right of them.

    Args:
        labels: Classes, ``(N, H, W)``.

    Returns:
        Bool, ``(N, H, W)``. The border of the image is no class border.
    """
    boundary = torch.zeros_like(labels, dtype=torch.bool)
    rows = labels[:, 1:] != labels[:, :-1]
    columns = labels[:, :, 1:] != labels[:, :, :-1]
    boundary[:, 1:] |= rows
    boundary[:, :-1] |= rows
    boundary[:, :, 1:] |= columns
    boundary[:, :, :-1] |= columns
    return boundary


def widen(mask: Tensor) -> Tensor:
    """Add to a bool mask ``(N, H, W)`` the four neighbours of each of its pixels."""
    ones = mask.float().unsqueeze(1)
    rows = F.max_pool2d(ones, (3, 1), stride=1, padding=(1, 0))
    columns = F.max_pool2d(ones, (1, 3), stride=1, padding=(0, 1))
    return torch.maximum(rows, columns).squeeze(1) > 0


def suppress_boundaries(scores: Tensor, labels: Tensor) -> Tensor:
    """Iterative boundary suppression (Jung et al., 2021, section 3.3, eq. 6 and 7).

    In each round the boundary are the pixels within r steps (city-block distance) of a pixel of
    another predicted class; each of them takes the mean of the non-boundary pixels among its 3x3
    neighbourhood, or keeps its value when there is none. r is 4, 3, 2, 1.

    The paper gives an initial width of 8 that shrinks by 2 in each of 4 rounds, the published
    code a width of 4 in 4 rounds. Both are this: the width of the paper counts the two sides of a
    border together. Taken as distances, 8, 6, 4, 2 would leave most of the band as it is, since a
    3x3 mean reaches one pixel far.

    Args:
        scores: ``(N, H, W)``.
        labels: Predicted classes, ``(N, H, W)``.

    Returns:
        ``(N, H, W)``. Means are over pixels of the image alone: nothing is padded at its border.
    """
    bands = [class_boundary(labels)]
    while len(bands) < BOUNDARY_RADII[0]:
        bands.append(widen(bands[-1]))
    for radius in BOUNDARY_RADII:
        boundary = bands[radius - 1]
        inner = (~boundary).to(scores.dtype)
        stacked = torch.stack([scores * inner, inner], 1)
        total, count = F.avg_pool2d(stacked, 3, 1, padding=1, divisor_override=1).unbind(1)
        scores = torch.where(boundary & (count > 0), total / count.clamp_min(1), scores)
    return scores


def dilated_smoothing(scores: Tensor) -> Tensor:
    """Mean with the weights of a 7x7 Gaussian, sigma 1, dilation 6 (section 3.3).

    At the border of the image the weights of the pixels that exist are scaled to sum to 1
    (normalised convolution; the published code repeats the outermost pixels).

    Args:
        scores: ``(N, H, W)``.

    Returns:
        ``(N, H, W)``.
    """
    # One axis after the other, and by shifted sums: a convolution on a GPU may round to TF32.
    for axis in (1, 2):
        length = scores.shape[axis]
        total, weight = torch.zeros_like(scores), scores.new_zeros(length)
        for step in range(-GAUSSIAN_RADIUS, GAUSSIAN_RADIUS + 1):
            shift = step * GAUSSIAN_DILATION
            size = length - abs(shift)
            if size <= 0:
                continue
            factor = math.exp(-0.5 * (step / GAUSSIAN_SIGMA) ** 2)
            to, source = max(0, -shift), max(0, shift)
            total.narrow(axis, to, size).add_(scores.narrow(axis, source, size), alpha=factor)
            weight[to : to + size] += factor
        scores = total / (weight.unsqueeze(1) if axis == 1 else weight)
    return scores


@SCORES.register_module("sml")
class StandardizedMaxLogit(FittedMapScore):
    """``-(max_y l_y - mean_c) / std_c`` with ``c = argmax_y l_y`` (Jung et al., 2021, eq. 1-3).

    Mean and standard deviation (1/N) are those of the max logits of all training pixels or images
    that are predicted as c, whatever their label. A class that the fit predicts less than twice
    has no standard deviation: it takes mean and standard deviation over the max logits of all
    classes together, with a warning.

    Args:
        num_classes: Known classes C.
        feature_dims: Not used.
        boundary_suppression: Replace scores near borders between predicted classes, see
            :func:`suppress_boundaries`. Pixel maps only.
        smoothing: Smooth the map of scores, after that: see :func:`dilated_smoothing`. Pixel maps
            only.
        min_std: Lower bound of the standard deviations, in units of the logits.
    """

    space = fit_on = "logits"

    def __init__(
        self,
        num_classes: int,
        feature_dims: int | None = None,
        boundary_suppression: bool = False,
        smoothing: bool = False,
        min_std: float = 1e-4,
    ) -> None:
        super().__init__(num_classes, feature_dims)
        if min_std <= 0:
            raise ValueError(f"min_std must be above 0, got {min_std}")
        self.boundary_suppression, self.smoothing = boundary_suppression, smoothing
        self.min_std = min_std
        self.add_statistic("means", num_classes)
        self.add_statistic("stds", num_classes)

    def score(self, maps: Tensor) -> Tensor:
        if (self.boundary_suppression or self.smoothing) and maps.dim() != 4:
            raise InputError(
                "boundary_suppression and smoothing of score 'sml' need maps (N, C, H, W), got "
                f"{tuple(maps.shape)}: for images use 'sml' without them"
            )
        top, labels = maps.max(1)
        scores = (self.means[labels] - top) / self.stds[labels]
        if self.boundary_suppression:
            scores = suppress_boundaries(scores, labels)
        return dilated_smoothing(scores) if self.smoothing else scores

    def accumulate(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Number, sum and sum of squares of the max logits of each predicted class."""
        self.require_rows(rows, labels)
        top, predicted = rows.max(1)
        top = top.double()
        return class_sums(torch.stack([top, top.square()], 1), predicted, self.num_classes)

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        count, total = sums["count"], sums["total"]
        few = count < 2
        count = torch.where(few, count.sum(), count).unsqueeze(1)
        means, squares = (torch.where(few.unsqueeze(1), total.sum(0), total) / count).unbind(1)
        self.means.copy_(means)
        # Rounding may leave a variance just below zero.
        variances = (squares - means.square()).clamp_min(0)
        self.stds.copy_(variances.sqrt().clamp_min(self.min_std))
        if not few.any():
            return None
        return (
            f"classes {few.nonzero().flatten().tolist()} are hardly ever predicted: "
            "they take the statistics of all classes together"
        )


@SCORES.register_module("sml_smooth")
class SmoothedMaxLogit(StandardizedMaxLogit):
    """:class:`StandardizedMaxLogit` with boundary suppression and smoothing, for pixel maps."""

    def __init__(self, num_classes: int, feature_dims: int | None = None, **options) -> None:
        options = {"boundary_suppression": True, "smoothing": True, **options}
        super().__init__(num_classes, feature_dims, **options)
