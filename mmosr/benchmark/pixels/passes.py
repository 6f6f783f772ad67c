"""Showing images of a data set to a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmosr.runs.batches import cut, run_by_size
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL

from .data import BenchmarkData


class Predictor:
    """Predicts images in batches that never depend on what is done already or on other ranks.

    Args:
        model: In evaluation mode, with anomaly scores.
        data: The images.
        batch_size: Images of a batch; those of equal size go through the network together.
        num_workers: Processes that load images.
        closed_set: Whether the labels are classes of the model; otherwise all known ones become 0.
    """

    def __init__(
        self,
        model: nn.Module,
        data: BenchmarkData,
        batch_size: int,
        num_workers: int,
        closed_set: bool,
    ) -> None:
        self._model, self._data = model, data
        self._num_workers, self._closed_set = num_workers, closed_set
        self._batches = cut(range(len(data)), batch_size)

    def batches(self, indices: set[int]) -> list[Sequence[int]]:
        """The batches that hold some of these images."""
        return [batch for batch in self._batches if not indices.isdisjoint(batch)]

    def samples(self, batches: Sequence[Sequence[int]]) -> Iterator[list[tuple[int, dict]]]:
        """Places and data samples of each batch, as an mmengine metric gets them."""
        loader = DataLoader(
            self._data,
            batch_sampler=batches,
            num_workers=min(self._num_workers, len(batches)),
            collate_fn=pseudo_collate,
        )
        for places, batch in zip(batches, loader, strict=True):
            yield list(zip(places, self._predict(batch), strict=True))

    @torch.no_grad()
    def _predict(self, batch: dict[str, list]) -> list[dict]:
        samples = [sample.to_dict() for sample in run_by_size(self._model.test_step, batch)]
        if not self._closed_set:
            for sample in samples:
                sample["gt_sem_seg"]["data"] = only_known(sample["gt_sem_seg"]["data"])
        return samples


def only_known(label: Tensor) -> Tensor:
    """Labels with every known class as 0."""
    kept = (label == UNKNOWN_LABEL) | (label == IGNORE_LABEL)
    return torch.where(kept, label, 0)
