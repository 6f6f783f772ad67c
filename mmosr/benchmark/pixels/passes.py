"""Passing images of a data set through a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmosr.apis import Loaded
from mmosr.runs.batches import run_by_size
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL

from .data import BenchmarkData


def predict(
    loaded: Loaded, data: BenchmarkData, batches: Sequence[Sequence[int]], closed_set: bool
) -> Iterator[tuple[int, dict]]:
    """Indices and data samples of the images in some batches, as an mmengine metric gets them.

    Args:
        loaded: The model, with anomaly scores.
        data: The images.
        batches: Indices of the images in each batch.
        closed_set: Whether the labels are classes of the model; otherwise all known ones become 0.
    """
    loader = DataLoader(
        data,
        batch_sampler=batches,
        num_workers=min(loaded.workers, len(batches)),
        collate_fn=pseudo_collate,
    )
    for places, batch in zip(batches, loader, strict=True):
        with torch.no_grad():
            samples = run_by_size(loaded.model.test_step, batch)
        for place, sample in zip(places, samples, strict=True):
            sample = sample.to_dict()
            if not closed_set:
                label = sample["gt_sem_seg"]["data"]
                kept = (label == UNKNOWN_LABEL) | (label == IGNORE_LABEL)
                sample["gt_sem_seg"]["data"] = torch.where(kept, label, 0)
            yield place, sample
