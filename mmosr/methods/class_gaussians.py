"""M2IOSR: class-conditional Gaussians of the latent feature.

Sun, Ding, Zhang, Lin and Ling, "M2IOSR: Maximal Mutual Information Open Set Recognition", 2021,
section 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import ChannelLinear


def gaussian_kl(mean: Tensor, log_variance: Tensor, prior_mean: Tensor) -> Tensor:
    """``KL(N(mean, sigma^2) || N(prior_mean, I))``, eq. 11 without the minus.

    Args:
        mean: ``(N, J)``.
        log_variance: ``log sigma^2``, ``(N, J)``.
        prior_mean: ``(N, J)``.

    Returns:
        ``(N,)``, >= 0; 0 where the two distributions are equal.
    """
    gap = (mean - prior_mean).square()
    # expm1: exp(v) - 1 - v loses its digits near 0, where training ends.
    return 0.5 * (gap + torch.expm1(log_variance) - log_variance).sum(1)


class ClassGaussians(nn.Module):
    """Posterior ``N(mu, sigma^2)`` of a latent feature, and a Gaussian for each class (eq. 11).

    The encoder yields mu, a linear layer ``log sigma^2``, and another one on the one-hot label the
    class mean ``mu^(k)``. The class Gaussians have unit variance.

    Args:
        in_channels: Channels D of the input of the encoder's latent layer.
        latent_dims: J.
        num_classes: Known classes C.
    """

    def __init__(self, in_channels: int, latent_dims: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.log_variance = ChannelLinear(in_channels, latent_dims)
        self.class_mean = ChannelLinear(num_classes, latent_dims)

    def sample(self, features: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """A draw ``mu + sigma eps`` ``(N, J)``, with the gradient of mu and sigma.

        Args:
            features: ``(N, D)``.
            mean: mu, ``(N, J)``.

        Returns:
            The draw, and ``log sigma^2`` ``(N, J)``; in the precision of the weights, even under
            autocast.
        """
        log_variance = self.log_variance(features)
        mean = mean.to(log_variance)
        return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean), log_variance

    def kl(self, mean: Tensor, log_variance: Tensor, labels: Tensor) -> Tensor:
        """Batch mean of :func:`gaussian_kl` to the Gaussian of each sample's class.

        Args:
            mean: ``(N, J)``.
            log_variance: ``(N, J)``.
            labels: Known classes ``(N,)``.
        """
        one_hot = F.one_hot(labels, self.num_classes).to(self.class_mean.weight)
        with torch.autocast(mean.device.type, enabled=False):
            return gaussian_kl(mean, log_variance, self.class_mean(one_hot)).mean()
