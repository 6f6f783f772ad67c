"""Post-hoc anomaly scores of logits: pure formulas.

Each takes logits ``(N, C, *S)`` and returns ``(N, *S)``; larger means more unknown. No score is
squashed or clamped.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmosr.registry import SCORES


@SCORES.register_module("msp")
def max_softmax(logits: Tensor) -> Tensor:
    """``1 - max_y softmax(logits)_y``, in ``[0, 1 - 1/C]`` (Hendrycks and Gimpel, 2017).

    Computed as the sum of the other probabilities: in float32 ``1 - p`` is zero for every pixel
    with ``1 - p < 3e-8``, and so is ``-expm1(log p)``.
    """
    prob = torch.softmax(logits, 1)
    return prob.scatter(1, prob.argmax(1, keepdim=True), 0.0).sum(1)


@SCORES.register_module("max_logit")
def max_logit(logits: Tensor) -> Tensor:
    """``-max_y logits_y`` (Hendrycks et al., 2022)."""
    return -logits.amax(1)


@SCORES.register_module("entropy")
def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax over ``log C``, in ``[0, 1]``."""
    log_prob = torch.log_softmax(logits, 1)
    return -(log_prob.exp() * log_prob).sum(1) / math.log(logits.shape[1])


@SCORES.register_module("energy")
def energy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """``-T logsumexp(logits / T)`` (Liu et al., 2020)."""
    return -temperature * torch.logsumexp(logits / temperature, 1)


def one_vs_rest_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """``-log sigmoid(l_y) - sum_{k != y} log(1 - sigmoid(l_k))``, at least 0.

    Args:
        logits: ``(N, C, *S)``.
        labels: Classes, ``(N, *S)``.

    Returns:
        ``(N, *S)``. Each term is a separate softplus, so that small losses keep their digits.
    """
    index = labels.unsqueeze(1)
    # F.softplus(x) would drop exp(-x) above x = 20.
    return -F.logsigmoid(-logits.scatter(1, index, -logits.gather(1, index))).sum(1)


@SCORES.register_module("one_vs_rest")
def one_vs_rest(logits: Tensor) -> Tensor:
    """One-vs-rest loss at the pseudo-label ``argmax_y logits_y`` (m-OvR, eq. 22), at least 0."""
    return one_vs_rest_loss(logits, logits.argmax(1))
