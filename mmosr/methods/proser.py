"""PROSER: placeholders for the unknown in classifier and data (Zhou, Ye and Zhan, CVPR 2021)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmosr.registry import MODELS
from mmosr.scores import max_softmax

from .base import ChannelLinear, OpenSetClassifier


@MODELS.register_module()
class PlaceholderClassifier(OpenSetClassifier):
    """A linear layer with the known classes and placeholders for the unknown.

    The logits are ``f_1 ... f_C`` of the known classes and ``p``, the largest of M placeholders, as
    the (C+1)-th. The class scores are those of the known classes only, so the cross-entropy over
    C + 1 splits into that of the host and a rest: with ``s = p - logsumexp_k f_k``, the log
    odds of the placeholder,

    * ``CE_{C+1}(f, y) = CE_C(f, y) + softplus(s)``; the second term is ``loss_known``;
    * ``CE_{C+1}(f without y, C+1) = softplus(logsumexp_{k != y} f_k - p)``, so that the placeholder
      comes second; times beta it is ``loss_placeholder``;
    * ``CE_{C+1}(f, C+1) = softplus(-s)`` of mixed features, see :meth:`unknown_loss`.

    Scores: ``proser``: s, which ranks like the placeholder's probability ``sigmoid(s)`` but does
    not saturate; ``proser_margin``: ``p - max_k f_k``, by which the paper decides; ``msp`` of the
    known classes.

    Args:
        in_channels: Channels D of the features.
        num_classes: Known classes C.
        num_placeholders: M.
        placeholder_weight: beta.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        num_placeholders: int = 1,
        placeholder_weight: float = 1.0,
    ) -> None:
        super().__init__(in_channels, num_classes)
        if num_placeholders < 1:
            raise ValueError(f"num_placeholders must be 1 or above, got {num_placeholders}")
        if placeholder_weight < 0:
            raise ValueError(f"placeholder_weight must be 0 or above, got {placeholder_weight}")
        self.placeholder_weight = placeholder_weight
        # Named as in LinearClassifier, so that the weights of a closed-set classifier load.
        self.projection = ChannelLinear(in_channels, num_classes)
        self.placeholders = ChannelLinear(in_channels, num_placeholders)

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"msp": max_softmax}

    @property
    def embedding_scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"proser": self.log_odds, "proser_margin": self.margin}

    def embed(self, features: Tensor) -> Tensor:
        """Logits of the known classes, then of the placeholders, ``(N, C + M, *S)``, float32."""
        return torch.cat([self.projection(features), self.placeholders(features)], dim=1)

    def class_scores(self, embedding: Tensor) -> Tensor:
        """Logits of the known classes, ``(N, C, *S)``."""
        return embedding[:, : self.num_classes]

    def placeholder(self, embedding: Tensor) -> Tensor:
        """p, the largest logit of a placeholder, ``(N, *S)``."""
        return embedding[:, self.num_classes :].amax(1)

    def log_odds(self, embedding: Tensor) -> Tensor:
        """``s = log(P / (1 - P))`` with P the softmax of the (C+1)-th logit, ``(N, *S)``."""
        return self.placeholder(embedding) - self.class_scores(embedding).logsumexp(1)

    def margin(self, embedding: Tensor) -> Tensor:
        """``p - max_k f_k``, ``(N, *S)``; above 0 where the placeholder wins."""
        return self.placeholder(embedding) - self.class_scores(embedding).amax(1)

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """``loss_known`` and ``loss_placeholder``, see the class; means over labelled samples."""
        kept = labels != ignore_index
        labels = labels.masked_fill(~kept, 0).long()
        # F.softplus(x) would drop exp(-x) above x = 20.
        known = -F.logsigmoid(-self.log_odds(embedding))
        others = self.class_scores(embedding).scatter(1, labels.unsqueeze(1), -torch.inf)
        second = -F.logsigmoid(self.placeholder(embedding) - others.logsumexp(1))
        return {
            "loss_known": _mean(known, kept),
            "loss_placeholder": self.placeholder_weight * _mean(second, kept),
        }

    def unknown_loss(self, embedding: Tensor, kept: Tensor) -> Tensor:
        """Cross-entropy over C + 1 towards the placeholder, a scalar.

        Args:
            embedding: Of data placeholders, ``(N, C + M, *S)``.
            kept: Which of them count, ``(N, *S)`` bool; if none does, the loss and its gradients
                are zero.
        """
        return _mean(-F.logsigmoid(self.log_odds(embedding)), kept)


def _mean(values: Tensor, kept: Tensor) -> Tensor:
    return (values * kept).sum() / kept.sum().clamp_min(1)


@dataclass(frozen=True)
class MixedPairs:
    """Which samples of a batch are mixed with which.

    Args:
        partner: Index of the other sample of each pair, ``(N,)``; its own if it has none.
        share: lambda, the share of the sample itself, in ``[0, 1]``.
    """

    partner: Tensor
    share: float

    @classmethod
    def sample(cls, labels: Tensor, alpha: float) -> "MixedPairs":
        """Pair the samples by a random permutation; those paired with their own class stay alone.

        Args:
            labels: Classes, ``(N,)``.
            alpha: lambda is drawn from ``Beta(alpha, alpha)``, one for the batch.
        """
        # On the CPU: StepSeedHook seeds its generator whatever the device.
        share = torch.distributions.Beta(alpha, alpha).sample().item()
        partner = torch.randperm(len(labels)).to(labels.device)
        own = torch.arange(len(labels), device=labels.device)
        return cls(torch.where(labels == labels[partner], own, partner), share)

    @property
    def mixed(self) -> Tensor:
        """Which samples have a partner, ``(N,)`` bool."""
        return self.partner != torch.arange(len(self.partner), device=self.partner.device)

    def mix(self, hidden: Tensor) -> Tensor:
        """``lambda h_i + (1 - lambda) h_j`` of hidden features ``(N, ...)``.

        A sample without a partner stays unchanged.
        """
        return torch.lerp(hidden[self.partner], hidden, self.share)
