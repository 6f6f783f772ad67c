"""One step of the pass that fits statistics on labelled images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor

from mmosr.scored_model import ScoredModel
from mmosr.scores.fitted import Fitted
from mmosr.utils import InputError


@torch.no_grad()
def fit_step(model: ScoredModel, data: dict, parts: Mapping[str, Fitted]) -> None:
    """Show a batch of images to the parts that are being fitted.

    Only pixels of known classes count: unlabelled ones and those of held-out classes are left
    out. Logits are taken at the resolution of the labels, after sliding windows and resizing, as
    the score will see them; features at their own resolution, of the whole image, with the labels
    resized by nearest neighbour.

    Args:
        model: A segmentor with anomaly maps, in evaluation mode.
        data: A batch of the data loader, with labels.
        parts: From its ``fitted_parts``.

    Raises:
        InputError: The batch has no labels.
    """
    data = model.data_preprocessor(data, False)
    inputs, samples = data["inputs"], data["data_samples"]
    for sample in samples:
        if "gt_sem_seg" not in sample:
            raise InputError(
                f"{sample.get('img_path', 'an image')} has no labels, which fitting needs: add "
                "LoadAnnotations to the pipeline"
            )
    spaces = {part.space for part in parts.values()}
    metas = [dict(sample.metainfo) for sample in samples]  # sliding windows write into it
    with model.only_scores(()):
        rows = {}
        layers = "layers" in spaces
        with model.classifier_input() as features, model.backbone_levels(layers) as levels:
            logits = model.inference(inputs, metas)
        if "logits" in spaces:
            rows["logits"] = _logit_rows(model, logits, samples)
        feature_spaces = spaces & {"features", "layers", "embedding"}
        if feature_spaces:
            if len(features) != 1:
                with model.classifier_input() as features, model.backbone_levels(layers) as levels:
                    model.encode_decode(inputs, [dict(sample.metainfo) for sample in samples])
            labels = _label_maps(samples, inputs.shape[2:], features[-1].shape[2:])
            known = _known(labels, model.num_classes)
            for space in feature_spaces:
                values = model.feature_map(space, features[-1], levels)
                rows[space] = values.movedim(1, -1)[known].float(), labels[known]
        for part in parts.values():
            if part.space == "inputs":
                kept = _label_maps(samples, inputs.shape[2:], inputs.shape[2:])
                function = model.logits_function([dict(sample.metainfo) for sample in samples])
                part.update(inputs, function, _known(kept, model.num_classes))
            else:
                part.update(*rows[part.space])


def _known(labels: Tensor, num_classes: int) -> Tensor:
    return (labels >= 0) & (labels < num_classes)


def _logit_rows(
    model: ScoredModel, logits: Tensor, samples: list[SegDataSample]
) -> tuple[Tensor, Tensor]:
    """Class scores of known pixels ``(M, C)`` and their labels, at the labels' resolution."""
    bare = [SegDataSample(metainfo=sample.metainfo) for sample in samples]
    rows, labels = [], []
    for sample, finished in zip(samples, model.postprocess_result(logits, bare), strict=True):
        scores, label = finished.seg_logits.data, sample.gt_sem_seg.data.squeeze(0)
        if scores.shape[1:] != label.shape:
            raise InputError(
                f"{sample.get('img_path', 'an image')}: labels of size {tuple(label.shape)}, but "
                f"the image was of size {tuple(scores.shape[1:])}: load the labels after resizing"
            )
        known = _known(label, model.num_classes)
        rows.append(scores.movedim(0, -1)[known].float())
        labels.append(label[known])
    return torch.cat(rows), torch.cat(labels)


def _label_maps(samples: list[SegDataSample], input_size: torch.Size, size: torch.Size) -> Tensor:
    """Labels ``(N, *size)`` on the grid of the padded network input; -1 in the padding."""
    maps = []
    for sample in samples:
        meta = sample.metainfo
        left, right, top, bottom = meta.get(
            "img_padding_size", meta.get("padding_size", (0, 0, 0, 0))
        )
        inner = (input_size[0] - top - bottom, input_size[1] - left - right)
        # First at the size of the input, where the padding is known to the pixel.
        label = sample.gt_sem_seg.data[None].float()
        label = F.interpolate(label, size=inner, mode="nearest")
        label = F.pad(label, (left, right, top, bottom), value=-1)
        maps.append(F.interpolate(label, size=size, mode="nearest")[0, 0])
    return torch.stack(maps).long()
