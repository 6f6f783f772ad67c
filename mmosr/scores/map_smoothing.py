"""Post-processing of the finished map of any score: borders between classes, and smoothing.

Both are from Jung et al. (2021), who apply them to standardized max logits.
"""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

# Distances from a class border that count as boundary, by round: bands of width 8, 6, 4, 2.
BOUNDARY_RADII = (4, 3, 2, 1)
GAUSSIAN_RADIUS, GAUSSIAN_SIGMA, GAUSSIAN_DILATION = 3, 1.0, 6


def class_boundary(labels: Tensor) -> Tensor:
    """Pixels with a pixel of another class above, below, to the left or to the right.

    Args:
        labels: Classes, ``(N, H, W)``.

    Returns:
        Bool, ``(N, H, W)``. The border of the image is not a class border.
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

    In each round the boundary consists of the pixels within r steps (city-block distance) of a
    pixel of another predicted class; each takes the mean of the non-boundary pixels in its 3x3
    neighbourhood, or keeps its value if there are none. r is 4, 3, 2, 1.

    The paper has an initial width of 8 that shrinks by 2 in each of 4 rounds, the published code
    a width of 4 in 4 rounds. Both mean the same: the width of the paper counts the two sides of a
    border together. Taken as distances, 8, 6, 4, 2 would leave most of the band unchanged, since a
    3x3 mean only reaches one pixel.

    Args:
        scores: ``(N, H, W)``.
        labels: Predicted classes, ``(N, H, W)``.

    Returns:
        ``(N, H, W)``. Means are over pixels of the image only: nothing is padded at its border.
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

    At the border of the image the weights of the existing pixels are scaled to sum to 1
    (normalised convolution; the published code repeats the outermost pixels).

    Args:
        scores: ``(N, H, W)``.

    Returns:
        ``(N, H, W)``.
    """
    # One axis after the other, with shifted sums: a convolution on a GPU may round to TF32.
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


@dataclass(frozen=True)
class MapSmoothing:
    """The options that every score of a segmentor has, applied to its map at full resolution.

    Args:
        boundary_suppression: Replace scores near borders between predicted classes, see
            :func:`suppress_boundaries`.
        smoothing: Then smooth the map of scores, see :func:`dilated_smoothing`.

    Raises:
        ValueError: An option is neither true nor false.
    """

    boundary_suppression: bool = False
    smoothing: bool = False

    def __post_init__(self) -> None:
        for name in MAP_OPTIONS:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is True or False, got {getattr(self, name)!r}")

    def __bool__(self) -> bool:
        """Whether it changes maps at all."""
        return self.boundary_suppression or self.smoothing

    def __call__(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The resulting map ``(N, H, W)`` of scores and predicted classes of that shape."""
        if self.boundary_suppression:
            scores = suppress_boundaries(scores, labels)
        return dilated_smoothing(scores) if self.smoothing else scores


MAP_OPTIONS = tuple(field.name for field in fields(MapSmoothing))
