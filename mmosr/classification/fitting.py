"""One step of the pass that fits statistics on labelled images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmosr.scored_model import ScoredModel
from mmosr.scores import Fitted

from .heads import OpenSetClsHead, labels_of


@torch.no_grad()
def fit_step(model: ScoredModel, data: dict, parts: Mapping[str, Fitted]) -> None:
    """Show a batch of images to the parts that are being fitted.

    Only images of known classes count. With the head's ``mirror_fit`` its classifier also sees them
    mirrored.

    Args:
        model: An open-set image classifier, in evaluation mode.
        data: A batch of the data loader, with labels.
        parts: Parts from its ``fitted_parts``.

    Raises:
        InputError: An image has no label, or several.
    """
    labels = labels_of(data["data_samples"])
    known = (labels >= 0) & (labels < model.known_classes)
    if not known.any():
        return
    inputs = _network_inputs(model, data["inputs"])
    labels, known = labels.to(inputs.device), known.to(inputs.device)
    inputs, labels = inputs[known], labels[known]
    rows = _rows(model, inputs)
    for part in parts.values():
        if part.space == "inputs":
            part.update(inputs, model.logits_function, torch.ones_like(labels, dtype=torch.bool))
        else:
            part.update(rows[part.space], labels)
    classifiers = [part for part in parts.values() if part is model.classifier]
    if classifiers and isinstance(model.head, OpenSetClsHead) and model.head.mirror_fit:
        # Before the preprocessor, which may pad on one side.
        mirrored = _network_inputs(model, [image.flip(-1) for image in data["inputs"]])[known]
        rows = _rows(model, mirrored)
        for part in classifiers:
            part.update(rows[part.space], labels)


def _network_inputs(model: ScoredModel, images: Tensor | list[Tensor]) -> Tensor:
    return model.data_preprocessor({"inputs": images}, False)["inputs"]


def _rows(model: ScoredModel, inputs: Tensor) -> dict[str, Tensor]:
    """What parts can be fitted on, ``(N, C or D)`` each, if this model has it."""
    with model.catch() as caught:
        rows = {"logits": model.logits_function(inputs).float()}
    if caught.features:
        rows["features"] = caught.features[0].float()
    if model.classifier is not None:
        rows["embedding"] = model.classifier.embed(caught.features[0])
    return rows
