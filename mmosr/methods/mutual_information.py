"""M2IOSR: mutual information of features at several scales.

Sun, Ding, Zhang, Lin and Ling, "M2IOSR: Maximal Mutual Information Open Set Recognition", 2021,
section 4.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmosr.utils import InputError

# The estimate when the scores contain no information: all of them are 0.
FLOOR = -2 * math.log(2)
LOCAL_TERMS = ("1t16", "1t4", "4t4")


def jensen_shannon(positive: Tensor, negative: Tensor) -> Tensor:
    """``E_pos[-softplus(-T)] - E_neg[softplus(T)]``, the first bracket of eq. 8.

    With the best discriminator it is ``2 JSD - 2 log 2`` of the joint distribution and the product
    of the marginals: ``FLOOR`` if the two sides of the pairs are independent, and always below 0.

    Args:
        positive: Scores T of pairs from one image, of any shape.
        negative: Scores T of pairs from two images, of any shape.

    Returns:
        A scalar, larger = more mutual information; float32 for half-precision scores.
    """
    if positive.dtype in (torch.float16, torch.bfloat16):
        positive, negative = positive.float(), negative.float()
    with torch.autocast(positive.device.type, enabled=False):
        return -F.softplus(-positive).mean() - F.softplus(negative).mean()


def of_other_images(maps: Tensor) -> Tensor:
    """For each image the features ``(N, ...)`` of another one: the batch, rolled by one.

    A random order would sometimes leave an image in its place.

    Raises:
        InputError: A batch of one image.
    """
    if len(maps) < 2:
        raise InputError(
            "mutual information needs 2 or more images in a batch, as a negative pair has two, "
            "and this one has 1: set train_dataloader.batch_size above 1 and drop_last=True"
        )
    return maps.roll(1, 0)


class Discriminator(nn.Module, ABC):
    """Scores T of pairs of a map and other features, by a network on both concatenated.

    The first layer on the joined features is linear, so it is the sum of one layer on each side.
    Each side goes through its layer once, and positive and negative pairs are sums of the same
    results: nothing is joined, tiled or computed twice. The parameters are those of one layer.
    """

    @abstractmethod
    def of_maps(self, maps: Tensor) -> Tensor:
        """Contribution of the maps ``(N, D, H, W)`` to the first layer on both."""

    @abstractmethod
    def of_other(self, other: Tensor) -> Tensor:
        """Contribution of the other features ``(N, J, ...)`` to it, including the bias."""

    @abstractmethod
    def of_sum(self, total: Tensor) -> Tensor:
        """Scores from the output of the first layer on both."""

    def forward(self, maps: Tensor, other: Tensor) -> Tensor:
        """Scores T of the maps and the other features of the same position in the batch."""
        return self.of_sum(self.of_maps(maps) + self.of_other(other))

    def pairs(self, maps: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Scores T of positive and of negative pairs, both with the other features in their place.

        A positive pair has both sides from one image; in a negative pair the map is from another.

        Raises:
            InputError: A batch of one image.
        """
        left, right = self.of_maps(maps), self.of_other(other)
        return self.of_sum(left + right), self.of_sum(of_other_images(left) + right)


class GlobalDiscriminator(Discriminator):
    """Scores ``(N, 1)`` of whole maps with latent features (table 1).

    Two 3x3 convolutions, flattened and joined with the latent features, then linear layers. The
    softplus of table 1 is in :func:`jensen_shannon`: with a second one on T no pair could score
    below 0.

    Args:
        channels: Channels of the map.
        size: Side S of the map, 5 or more.
        latent_dims: J.
        hidden: Width of the linear layers.
        conv_channels: Channels of the convolutions, without padding; the paper does not say.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        latent_dims: int,
        hidden: int = 512,
        conv_channels: Sequence[int] = (64, 32),
    ) -> None:
        super().__init__()
        if size < 5:
            raise ValueError(f"two 3x3 convolutions need maps of 5 x 5 or more, got {size}")
        first, second = conv_channels
        self.latent_dims = latent_dims
        self.convs = nn.Sequential(
            nn.Conv2d(channels, first, 3), nn.ReLU(), nn.Conv2d(first, second, 3)
        )
        self.layers = nn.Sequential(
            nn.Linear(second * (size - 4) ** 2 + latent_dims, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def of_maps(self, maps: Tensor) -> Tensor:
        weight = self.layers[0].weight[:, : -self.latent_dims]
        return F.linear(self.convs(maps).flatten(1), weight)

    def of_other(self, other: Tensor) -> Tensor:
        first = self.layers[0]
        return F.linear(other, first.weight[:, -self.latent_dims :], first.bias)

    def of_sum(self, total: Tensor) -> Tensor:
        return self.layers[1:](total)


class LocalDiscriminator(Discriminator):
    """Scores ``(N, 1, H, W)`` of each location with other features (table 2): 1x1 convolutions.

    The other features are ``(N, J)``, the same at each location, or maps ``(N, J, H, W)``. The
    softplus of table 2 is in :func:`jensen_shannon`, as for :class:`GlobalDiscriminator`.

    Args:
        channels: Channels of the map.
        other_channels: Channels J of the other features.
        hidden: Width of the layers.
    """

    def __init__(self, channels: int, other_channels: int, hidden: int = 512) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            nn.Conv2d(channels + other_channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, 1, 1),
        )

    def of_maps(self, maps: Tensor) -> Tensor:
        # With the channels of a location contiguous, 1x1 convolutions are plain products.
        maps = maps.contiguous(memory_format=torch.channels_last)
        return F.conv2d(maps, self.layers[0].weight[:, : self.channels])

    def of_other(self, other: Tensor) -> Tensor:
        if other.dim() == 2:
            other = other[:, :, None, None]  # the sum with the maps tiles the result
        first = self.layers[0]
        return F.conv2d(other, first.weight[:, self.channels :], first.bias)

    def of_sum(self, total: Tensor) -> Tensor:
        return self.layers[1:](total)


class MutualInformation(nn.Module):
    """Estimates between the features ``f_16``, ``f_4`` and ``f_1`` of an encoder (section 4.2).

    The balancing weights are not in the paper. The defaults were set without a search; those of
    the configs were searched, see docs/m2iosr.md.

    Args:
        map_channels: Channels of ``f_16`` and ``f_4``.
        map_size: Side of ``f_16``.
        latent_dims: Dimension J of ``f_1``.
        hidden: Width of the discriminators.
        conv_channels: See :class:`GlobalDiscriminator`.
        global_weight: beta_1 of eq. 9.
        local_weight: beta_2 of eq. 9.
        scale_weights: a_1, a_2, a_3 of eq. 10, for ``1t16``, ``1t4`` and ``4t4``; their sum is 1.

    Raises:
        ValueError: A weight below 0, or scale weights that do not add up to 1.
    """

    def __init__(
        self,
        map_channels: Sequence[int] = (64, 256),
        map_size: int = 16,
        latent_dims: int = 32,
        hidden: int = 512,
        conv_channels: Sequence[int] = (64, 32),
        global_weight: float = 0.5,
        local_weight: float = 1.0,
        scale_weights: Sequence[float] = (0.5, 0.25, 0.25),
    ) -> None:
        super().__init__()
        if len(scale_weights) != len(LOCAL_TERMS) or not math.isclose(
            sum(scale_weights), 1, abs_tol=1e-6
        ):
            raise ValueError(
                f"scale_weights are a_1, a_2 and a_3 of eq. 10, with a sum of 1, got "
                f"{tuple(scale_weights)}"
            )
        if min(global_weight, local_weight, *scale_weights) < 0:
            raise ValueError("global_weight, local_weight and scale_weights must be 0 or above")
        self.global_weight, self.local_weight = global_weight, local_weight
        self.scale_weights = tuple(scale_weights)
        wide, narrow = map_channels
        self.global_1t16 = GlobalDiscriminator(wide, map_size, latent_dims, hidden, conv_channels)
        self.local_1t16 = LocalDiscriminator(wide, latent_dims, hidden)
        self.local_1t4 = LocalDiscriminator(narrow, latent_dims, hidden)
        self.local_4t4 = LocalDiscriminator(narrow, narrow, hidden)

    def forward(self, map_16: Tensor, map_4: Tensor, latent: Tensor) -> dict[str, Tensor]:
        """The estimates ``global``, ``1t16``, ``1t4`` and ``4t4``, scalars in ``(-inf, 0)``.

        A positive pair has both sides from one image; in a negative pair the map, also that of
        ``4t4``, is from another image.

        Args:
            map_16: ``(N, D_16, S, S)``.
            map_4: ``(N, D_4, H, W)``.
            latent: ``(N, J)``.

        Raises:
            InputError: A batch of one image.
        """
        pairs = {
            "global": self.global_1t16.pairs(map_16, latent),
            "1t16": self.local_1t16.pairs(map_16, latent),
            "1t4": self.local_1t4.pairs(map_4, latent),
            "4t4": self.local_4t4.pairs(map_4, map_4),
        }
        return {name: jensen_shannon(*scores) for name, scores in pairs.items()}

    def combine(self, estimates: Mapping[str, Tensor]) -> Tensor:
        """``beta_1 L_global + beta_2 L_local`` of eq. 9, to be maximised."""
        local = sum(
            weight * estimates[name]
            for weight, name in zip(self.scale_weights, LOCAL_TERMS, strict=True)
        )
        return self.global_weight * estimates["global"] + self.local_weight * local
