"""What is analysed: a representation of a classifier, and the variable of its derivative."""

from __future__ import annotations

from torch import Tensor

from mmosr.classification import OpenSetImageClassifier
from mmosr.methods.cac import AnchorClassifier
from mmosr.methods.movr import unit
from mmosr.utils import InputError

from .jacobian import Function

SPACES = ("embedding", "features", "unit-features", "logits")
UNITS = ("network", "pixel")


def space_function(model: OpenSetImageClassifier, space: str = "embedding") -> Function:
    """The representation f of m-OvR, section III, as a function of network inputs.

    Args:
        model: The model, in evaluation mode.
        space: ``'embedding'``: the space of the method: unit features with m-OvR, as in the paper,
            the logits z with CAC, the projected features with L-GMM, and the features of a plain
            head. ``'features'``: the input of the last layer. ``'unit-features'``: the same divided
            by their norm, so that models of different scale can be compared. ``'logits'``: class
            scores.

    Returns:
        A function from inputs ``(N, 3, H, W)`` to float32 values ``(N, D)``.

    Raises:
        InputError: The space does not exist, or the head has no features before a single last
            layer.
    """
    if space not in SPACES:
        raise InputError(f"there is no space '{space}': choose from {', '.join(SPACES)}")
    if space != "logits" and model.last_layer is None:
        raise InputError(
            f"{type(model.head).__name__} does not end in one linear layer per class, so it has no "
            "features before it: analyse the logits (--embedding logits)"
        )

    def function(inputs: Tensor) -> Tensor:
        return space_and_logits(model, space, inputs)[0]

    return function


def space_and_logits(
    model: OpenSetImageClassifier, space: str, inputs: Tensor
) -> tuple[Tensor, Tensor]:
    """Values ``(N, D)`` of :func:`space_function` and class scores ``(N, C)``."""
    with model.catch() as caught:
        logits = model.logits_function(inputs)
    if space == "logits":
        return logits.float(), logits
    values = caught.features[0]
    if space == "embedding" and model.classifier is not None:
        values = model.classifier.embed(values)
    if space == "unit-features":
        values = unit(values)
    return values.float(), logits


def input_scale(model: OpenSetImageClassifier, units: str = "network") -> Tensor | float:
    """How much the network input grows with the variable of the derivative.

    Args:
        model: Its data preprocessor subtracts a mean and divides by a standard deviation.
        units: ``'network'``: the input itself, 1. ``'pixel'``: images in ``[0, 1]``, ``255 / std``
            of each channel, ``(3, 1, 1)``.

    Raises:
        InputError: The units do not exist.
    """
    if units not in UNITS:
        raise InputError(f"there are no units '{units}': choose from {', '.join(UNITS)}")
    if units == "network":
        return 1.0
    deviation = getattr(model.data_preprocessor, "std", None)
    return 255.0 if deviation is None else 255.0 / deviation


def own_centres(model: OpenSetImageClassifier, space: str) -> Tensor | None:
    """The anchors ``(C, D)`` that CAC measures distances to in the test; None for other methods."""
    classifier = model.classifier
    if space != "embedding" or not isinstance(classifier, AnchorClassifier):
        return None
    if classifier.test_anchors == "fixed":
        return classifier.anchors
    classifier.require_fitted("the anchors")
    return classifier.reestimated_anchors
