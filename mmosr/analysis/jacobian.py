"""Frobenius norm of the Jacobian of a network with respect to its input, per image.

The theory: Park et al., "Understanding Open-Set Recognition by Jacobian Norm of Representation",
2022, section III. Both functions return squared norms, which add up exactly over rows, and can be
estimated without bias; :func:`to_norm` takes the root.

The function must treat the images of a batch independently of each other, as a network in
evaluation mode does (batch normalisation too). No parameter receives a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmosr.utils import InputError

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class NormEstimate:
    """A value per image and its uncertainty.

    Args:
        value: float64 ``(N,)``.
        error: Standard error, float64 ``(N,)``; 0 if the value is exact.
    """

    value: Tensor
    error: Tensor


def exact_squared_norm(
    function: Function, inputs: Tensor, scale: Tensor | float = 1.0
) -> NormEstimate:
    """``|J|_F^2 = sum_d |grad_x f_d(x)|^2`` with one backward pass for each of the D outputs.

    Each pass computes one row of the Jacobian of all images at once, which is squared, added in
    float64 and dropped: memory holds one forward graph and one gradient, whatever D is.

    Args:
        function: Maps inputs ``(N, ...)`` to values ``(N, ...)``, D of them per image.
        inputs: Inputs ``(N, ...)``; the graph grows with N.
        scale: Change of variable, broadcast to one input: with ``x = scale * u + c`` the derivative
            is with respect to ``u``.

    Raises:
        InputError: The values do not depend on the inputs in a differentiable way.
    """
    moved, values = _forward(function, inputs)
    total = torch.zeros(len(inputs), dtype=torch.float64, device=inputs.device)
    dims = values.shape[1]
    for row in range(dims):
        weights = torch.zeros_like(values)
        weights[:, row] = 1
        total += _squared_gradient(values, moved, weights, scale, keep=row + 1 < dims)
    return NormEstimate(total, torch.zeros_like(total))


def hutchinson_squared_norm(
    function: Function,
    inputs: Tensor,
    seeds: Sequence[int],
    probes: int = 32,
    scale: Tensor | float = 1.0,
) -> NormEstimate:
    """Unbiased estimate of ``|J|_F^2`` from random projections of the output (Hutchinson, 1990).

    ``E |J^T v|^2 = tr(J J^T) = |J|_F^2`` for ``v`` of mean 0 and covariance 1. Each probe costs one
    backward pass for all images at once; mean and variance are updated on the fly. The probes are
    Rademacher (+-1): exact where the rows of J are orthogonal, and never worse than Gaussian ones,
    with the variance ``2 sum_{i != j} (J J^T)_ij^2``.

    Args:
        function: Maps inputs ``(N, ...)`` to values ``(N, ...)``, D of them per image.
        inputs: ``(N, ...)``.
        seeds: One per image: its probes depend on nothing else, such as the batch it is in.
        probes: At least 2, for the standard error.
        scale: As in :func:`exact_squared_norm`.

    Raises:
        InputError: There are fewer than 2 probes, or see :func:`exact_squared_norm`.
    """
    if probes < 2:
        raise InputError(f"{probes} probes give no standard error: take 2 or more")
    moved, values = _forward(function, inputs)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    mean = torch.zeros(len(inputs), dtype=torch.float64, device=inputs.device)
    spread = torch.zeros_like(mean)  # sum of squared deviations (Welford, 1962)
    for number in range(1, probes + 1):
        weights = _sample_probe(generators, values.shape[1]).to(values)
        found = _squared_gradient(values, moved, weights, scale, keep=number < probes)
        step = found - mean
        mean += step / number
        spread += step * (found - mean)
    return NormEstimate(mean, (spread / (probes - 1) / probes).sqrt())


def to_norm(squared: NormEstimate) -> NormEstimate:
    """``|J|_F`` from an estimate of its square; the error to first order, ``e / (2 |J|_F)``.

    The root of an unbiased estimate is too small by ``error^2 / (2 |J|_F)`` on average, to second
    order.
    """
    norm = squared.value.sqrt()
    return NormEstimate(norm, torch.where(norm > 0, squared.error / (2 * norm), 0.0))


def _forward(function: Function, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The inputs as a leaf of a graph, and the values ``(N, D)``."""
    with torch.enable_grad():
        moved = inputs.detach().clone().requires_grad_()
        values = function(moved)
        if not values.requires_grad:
            raise InputError(
                "no gradient reaches the input: a part of the model is computed without gradients"
            )
        return moved, values.reshape(len(inputs), math.prod(values.shape[1:]))


def _squared_gradient(
    values: Tensor, moved: Tensor, weights: Tensor, scale: Tensor | float, keep: bool
) -> Tensor:
    """``|sum_d weights_d grad f_d|^2`` of each image, float64 ``(N,)``."""
    (gradient,) = torch.autograd.grad(values, moved, weights, retain_graph=keep)
    return (gradient * scale).double().square().flatten(1).sum(1)


def _sample_probe(generators: Sequence[torch.Generator], dims: int) -> Tensor:
    """One probe of +-1 per image, ``(N, D)``."""
    signs = torch.stack([torch.randint(2, (dims,), generator=own) for own in generators])
    return (2 * signs - 1).float()
