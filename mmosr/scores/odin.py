"""ODIN (Liang et al., 2018), and its variant that needs no unknown data (Hsu et al., 2020)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmosr.registry import SCORES
from mmosr.utils import InputError

from .base import FittedScore, Score

LogitsFunction = Callable[[Tensor], Tensor]


def confident_direction(inputs: Tensor, logits_fn: LogitsFunction, temperature: float) -> Tensor:
    """Sign of the gradient of ``sum log max_y softmax(logits / T)_y`` (Liang et al., eq. 2).

    A step along it raises the confidence. For pixels the sum is over all pixels of an image.
    Also works where gradients are disabled; no parameter receives one.

    Args:
        inputs: ``(N, 3, H, W)``.
        logits_fn: From inputs to logits ``(N, C, *S)``; images must not affect each other, as in
            evaluation mode.
        temperature: T.

    Returns:
        -1, 0 or 1, shaped like the inputs.
    """
    with torch.enable_grad():
        moved = inputs.detach().clone().requires_grad_()
        log_prob = torch.log_softmax(logits_fn(moved).float() / temperature, 1)
        # Times T: the sign is the same, and the gradient does not vanish in half precision.
        (gradient,) = torch.autograd.grad(temperature * log_prob.amax(1).sum(), moved)
    return gradient.sign()


def tempered_confidence(logits: Tensor, temperature: float) -> Tensor:
    """``-T log(C p)`` with ``p = max_y softmax(l / T)_y``: an increasing function of ``1 - p``.

    At T = 1000 all ``p`` are within some 1e-3 of ``1 / C``: float32 has only a few thousand values
    of ``1 - p`` there, so scores tie. This has the unit of the logits and exactly the same order.

    Args:
        logits: ``(N, C, *S)``.
        temperature: T.

    Returns:
        ``(N, *S)``, at most 0, where all classes are equal.
    """
    gaps = torch.expm1((logits - logits.amax(1, keepdim=True)) / temperature)
    return temperature * torch.log1p(gaps.mean(1))


def odin_score(
    inputs: Tensor, logits_fn: LogitsFunction, temperature: float, epsilon: float | Tensor
) -> Tensor:
    """:func:`tempered_confidence` of the inputs shifted by ``epsilon``, ``(N, *S)``."""
    moved = inputs + epsilon * confident_direction(inputs, logits_fn, temperature)
    return tempered_confidence(logits_fn(moved).float(), temperature)


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not above 0."""
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")


@SCORES.register_module("odin")
class Odin(Score):
    """``1 - max_y softmax(logits(x') / T)_y``, ``x' = x + eps sign(grad log p)`` (eq. 1 and 2).

    Given as ``-T log(C p)``, which ranks alike: see :func:`tempered_confidence`. The input is
    shifted to raise the temperature-scaled maximum softmax ``p``, which helps known data more than
    unknown. Costs two forward passes and a backward one.

    Args:
        num_classes: Known classes C.
        feature_dims: Not used.
        temperature: T (the paper's 1000).
        epsilon: Step in units of the network's input, that is of the normalised image. The paper
            reports 0.0014 for CIFAR-10; its released code divides the sign by the channel's
            standard deviation, so there the step is in units of an image in ``[0, 1]``. With
            a standard deviation of 0.25 the same step is 0.0056 here.
    """

    space = "inputs"

    def __init__(
        self,
        num_classes: int,
        feature_dims: int | None = None,
        temperature: float = 1000.0,
        epsilon: float = 0.0014,
    ) -> None:
        super().__init__(num_classes, feature_dims)
        check_temperature(temperature)
        if epsilon < 0:
            raise ValueError(f"epsilon must be at least 0, got {epsilon}")
        self.temperature, self.epsilon = temperature, epsilon

    @torch.no_grad()
    def forward(self, inputs: Tensor, logits_fn: LogitsFunction) -> Tensor:
        """Scores ``(N, *S)`` of inputs ``(N, 3, H, W)``; logits_fn returns ``(N, C, *S)``."""
        return odin_score(inputs, logits_fn, self.temperature, self.epsilon)


@SCORES.register_module("odin_fitted")
class OdinWithoutUnknowns(FittedScore):
    """:class:`Odin` with the eps that makes known validation data most confident.

    Of the candidates, eps maximises the mean of the perturbed ``max_y softmax(logits / T)_y``, so
    that no unknown data are needed (Hsu et al., 2020, section 3.2; "ODIN*" in its tables).

    Args:
        num_classes: Known classes C.
        feature_dims: Not used.
        temperature: T.
        candidates: Steps to choose from, in units of the network's input.
    """

    space = "inputs"
    fit_split = "val"

    def __init__(
        self,
        num_classes: int,
        feature_dims: int | None = None,
        temperature: float = 1000.0,
        candidates: Sequence[float] = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08),
    ) -> None:
        super().__init__(num_classes, feature_dims)
        check_temperature(temperature)
        if not candidates or min(candidates) < 0:
            raise ValueError(f"candidates must be steps of at least 0, got {candidates}")
        self.temperature, self.candidates = temperature, tuple(candidates)
        self.add_statistic("epsilon")

    @torch.no_grad()
    def forward(self, inputs: Tensor, logits_fn: LogitsFunction) -> Tensor:
        """Scores ``(N, *S)`` of inputs ``(N, 3, H, W)``; logits_fn returns ``(N, C, *S)``.

        Raises:
            InputError: Unfitted.
        """
        self.require_fitted("the step")
        return odin_score(inputs, logits_fn, self.temperature, self.epsilon)

    def accumulate(
        self, inputs: Tensor, logits_fn: LogitsFunction, kept: Tensor
    ) -> dict[str, Tensor]:
        """Sums of the perturbed maximum softmax, one for each candidate.

        Args:
            inputs: ``(N, 3, H, W)``.
            logits_fn: From inputs to logits ``(N, C, *S)``.
            kept: Bool ``(N, *S)``: the pixels or images to count, those with a known label.
        """
        direction = confident_direction(inputs, logits_fn, self.temperature)
        total = []
        for epsilon in self.candidates:
            logits = logits_fn(inputs + epsilon * direction)
            if kept.shape != logits[:, 0].shape:
                raise InputError(
                    f"{type(self).__name__} is fitted with a map of kept pixels of the size of the "
                    f"logits, {tuple(logits[:, 0].shape)}, got {tuple(kept.shape)}"
                )
            log_prob = torch.log_softmax(logits.double() / self.temperature, 1)
            total.append(log_prob.amax(1)[kept].exp().sum())
        return {"total": torch.stack(total), "count": kept.sum()}

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        if not sums["count"]:
            raise self.no_sample()
        best = (sums["total"] / sums["count"]).argmax()
        self.epsilon.fill_(self.candidates[best])
        return None
