"""Outliers in the labels of training pictures, for which no host has a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmosr.utils import UNKNOWN_LABEL, InputError


def set_outliers_apart(samples: Sequence[SegDataSample], ignore_index: int) -> list[SegDataSample]:
    """The samples with label 254 moved to a separate field.

    The losses of the hosts, including those of auxiliary heads and cascade stages, know only
    classes and one value to leave out.

    Args:
        samples: With labels ``gt_sem_seg``; not changed.
        ignore_index: Replaces 254 in the labels.

    Returns:
        New samples, with ``gt_outliers``: where the label was 254, ``(1, H, W)``.
    """
    apart = []
    for sample in samples:
        labels = sample.gt_sem_seg.data
        outliers = labels == UNKNOWN_LABEL
        sample = sample.new()
        sample.gt_sem_seg = PixelData(data=labels.masked_fill(outliers, ignore_index))
        sample.set_data({"gt_outliers": PixelData(data=outliers)})
        apart.append(sample)
    return apart


def ignore_index_of(model: nn.Module) -> int:
    """The label that all heads of a segmentor leave out.

    Raises:
        InputError: They differ, or it is 254.
    """
    heads = [model.decode_head, getattr(model, "auxiliary_head", None)]
    parts = [
        p for h in heads for p in (h if isinstance(h, nn.ModuleList) else [h]) if p is not None
    ]
    found = {part.ignore_index for part in parts}
    if len(found) > 1 or UNKNOWN_LABEL in found:
        raise InputError(
            "training with label 254 (unknown) needs one ignore_index for all heads, not 254, "
            f"got {sorted(found)}: leave it at 255"
        )
    return found.pop()


def with_outliers(labels: Tensor, samples: Sequence[SegDataSample]) -> Tensor:
    """The labels ``(N, 1, H, W)`` of samples, with the separated 254 put back."""
    if any("gt_outliers" not in sample for sample in samples):
        return labels
    outliers = torch.stack([sample.gt_outliers.data for sample in samples])
    return labels.masked_fill(outliers, UNKNOWN_LABEL)


def check_no_outliers(samples: Sequence[SegDataSample]) -> None:
    """Refuse label 254 where nothing learns from it; it would be ignored silently.

    Raises:
        InputError: Names a picture.
    """
    # One transfer for the batch: a GPU would wait for each single one.
    found = torch.stack([(sample.gt_sem_seg.data == UNKNOWN_LABEL).any() for sample in samples])
    for sample, unknown in zip(samples, found.tolist(), strict=True):
        if unknown:
            raise InputError(
                f"training labels of {sample.get('img_path', 'a picture')} hold 254 (unknown), "
                "which this head does not train with: remove PasteOutliers from the pipeline and "
                "mark_unknown from the training data, or use L-GMM with outlier_components"
            )
