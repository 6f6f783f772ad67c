"""One data set of a benchmark: the pass over its images, and all that follows from the maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from mmengine.dist import all_gather_object, is_main_process
from mmseg.evaluation import IoUMetric

from mmosr.evaluation.components import ComponentCounts, component_counts, component_figures
from mmosr.evaluation.counts import count_image
from mmosr.evaluation.curves import best_f1, figures
from mmosr.runs.progress import progress
from mmosr.runs.ranks import FailureNote, from_first, share, together
from mmosr.runs.record import read_json, write_json
from mmosr.visualization.frames import Frame

from .data import BenchmarkData
from .maps import MapFolder, extremes
from .passes import Predictor
from .result import DatasetResult
from .state import ImageRow, Part, PartWriter, images_done, part_files, remove_unfinished

T = TypeVar("T")


@dataclass
class _Plan:
    """What the whole data set decides, on every rank."""

    thresholds: dict[str, float] = field(default_factory=dict)
    best: list[int] = field(default_factory=list)
    worst: list[int] = field(default_factory=list)
    count_components: bool = False


class DatasetRun:
    """Tests a model on a data set. All ranks make the same calls.

    Args:
        data: The images.
        predictor: Predicts them.
        scores: Names of the scores to test.
        num_classes: Classes of the model, None when those of the data set are others.
        folder: Of all files of this data set.
        note: Tells ranks of each other's failures.
        keep_maps: Keep the score maps of all images.
    """

    def __init__(
        self,
        data: BenchmarkData,
        predictor: Predictor,
        scores: list[str],
        num_classes: int | None,
        folder: Path,
        note: FailureNote,
        keep_maps: bool,
    ) -> None:
        self.data, self.predictor, self.scores = data, predictor, scores
        self.num_classes, self.note, self.keep_maps = num_classes, note, keep_maps
        self._parts, self._components = folder / "parts", folder / "components.json"
        self._all_maps = keep_maps or data.protocol.components is not None
        kept = scores if self._all_maps else scores[:1]
        self._maps = MapFolder(folder / "maps", data.images, kept)

    def run(self) -> DatasetResult | None:
        """Test all images that are not done yet; the result is the first rank's alone.

        Raises:
            InputError: An image or its labels cannot be read, or its scores are not finite.
        """
        from_first(lambda: remove_unfinished(self._parts))
        done = from_first(lambda: images_done(self._parts))
        self._together(lambda: self._count(done))
        total: list[Part] = []
        plan = from_first(lambda: self._merge(total))
        self._fill_maps(plan)
        components = self._component_figures(plan)
        if not is_main_process():
            return None
        if not self.keep_maps:
            self._maps.keep_only({*plan.best, *plan.worst})
        return self._result(total[0], plan, components)

    def remove_maps(self) -> None:
        """Remove the maps, which the report no longer needs, unless they are to be kept."""
        if not self.keep_maps:
            self._maps.keep_only(())

    def _together(self, function: Callable[[], object]) -> None:
        """As :func:`together`, where the other ranks hear of an error at once."""

        def guarded() -> None:
            try:
                function()
            except Exception as error:
                self.note.write(error)
                raise

        try:
            together(guarded)
        finally:
            self.note.remove()

    # --- the pass -------------------------------------------------------------------------------

    def _count(self, done: set[int]) -> None:
        """Count this rank's share of the images that are not done."""
        frames = _ExtremeMaps(self._maps, self.data.images, self.scores[0])
        with PartWriter(self._parts) as writer:
            for index, sample in self._predict(set(range(len(self.data))) - done):
                # The map comes first: an image that is done has its map.
                counts = count_image(sample, self.num_classes, self.scores)
                if self._all_maps:
                    self._write_maps(index, sample)
                row = writer.add(index, counts)
                if not self._all_maps and frames.takes(row):
                    self._write_maps(index, sample)

    def _predict(self, indices: set[int], what: str = "") -> Iterator[tuple[int, dict]]:
        """This rank's share of some images."""
        batches = share(self.predictor.batches(indices))
        total = sum(index in indices for batch in batches for index in batch)

        def samples() -> Iterator[tuple[int, dict]]:
            for batch in self.predictor.samples(batches):
                yield from ((index, sample) for index, sample in batch if index in indices)
                self.note.check()

        return self._progress(samples(), what, total)

    def _progress(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        name = f"{self.data.name}{what}"
        return progress(items, name, total=total, show=is_main_process())

    def _write_maps(self, index: int, sample: dict) -> None:
        maps = {name: _to_map(sample["pred_anomaly"][name]) for name in self._maps.scores}
        self._maps.write(index, _to_map(sample["gt_sem_seg"]["data"]), maps)

    # --- what follows from all images -----------------------------------------------------------

    def _merge(self, total: list[Part]) -> _Plan:
        """Add up all parts, which only the first rank does, and say what is left to do."""
        total.append(Part.total([Part.load(path) for path in part_files(self._parts)]))
        best, worst = extremes(total[0].rows, self.data.images, self.scores[0])
        histograms = total[0].counts.histograms
        thresholds = {name: best_f1(histograms[name])[1] for name in self.scores}
        wanted = self.data.protocol.components is not None and not self._components.exists()
        return _Plan(thresholds, best, worst, wanted)

    def _fill_maps(self, plan: _Plan) -> None:
        """Predict images again whose maps an earlier run has removed or never wrote."""
        needed = {*plan.best, *plan.worst}
        if plan.count_components or self.keep_maps:
            needed = set(range(len(self.data)))
        missing = from_first(lambda: {i for i in needed if not self._maps.has(i)})

        def fill() -> None:
            for index, sample in self._predict(missing, ", maps again"):
                self._write_maps(index, sample)

        self._together(fill)

    def _component_figures(self, plan: _Plan) -> dict[str, dict[str, float]]:
        """Component figures by score; they are kept, for the maps are not."""
        if self.data.protocol.components is None:
            return {}
        if plan.count_components:
            counted: dict[str, list[ComponentCounts]] = {name: [] for name in self.scores}
            self._together(lambda: self._count_components(plan, counted))
            ranks = all_gather_object(counted)
            found = {
                name: component_figures(
                    ComponentCounts.total([part for rank in ranks for part in rank[name]])
                )
                for name in self.scores
            }
            # A figure may be undefined.
            from_first(lambda: write_json(self._components, found, allow_nan=True))
        return from_first(lambda: read_json(self._components))

    def _count_components(self, plan: _Plan, counted: dict[str, list[ComponentCounts]]) -> None:
        own, sizes = share(range(len(self.data))), self.data.protocol.components
        for index in self._progress(own, ", components", len(own)):
            label = self._maps.label(index)
            for name, threshold in plan.thresholds.items():
                if not math.isnan(threshold):  # else there is no unknown pixel at all
                    score = self._maps.score(index, name)
                    counted[name].append(component_counts(score, label, threshold, sizes))
            self.note.check()

    # --- the result -----------------------------------------------------------------------------

    def _result(self, total: Part, plan: _Plan, components: dict) -> DatasetResult:
        counts, rows = total.counts, total.rows
        histograms = {name: counts.histograms[name] for name in self.scores}
        first = histograms[self.scores[0]]
        return DatasetResult(
            name=self.data.name,
            protocol=self.data.protocol,
            images=counts.images,
            known=first.num_known,
            unknown=first.num_unknown,
            ignored=counts.ignored,
            closed_set=None if counts.areas is None else closed_set_figures(counts.areas),
            histograms=histograms,
            figures={
                name: {**figures(part), **components.get(name, {})}
                for name, part in histograms.items()
            },
            per_image=[line for row in rows for line in self._lines(row)],
            frames={
                kind: [self._frame(rows[index]) for index in indices]
                for kind, indices in {"best": plan.best, "worst": plan.worst}.items()
            },
        )

    def _lines(self, row: ImageRow) -> list[dict]:
        image = self.data.images[row.index]
        pixels = {"known": row.known, "unknown": row.unknown}
        return [
            {"image": image, "score": name, **pixels, **row.figures[name]} for name in self.scores
        ]

    def _frame(self, row: ImageRow) -> Frame:
        image, score = Path(self.data.images[row.index]), self.scores[0]
        return Frame(
            image=image,
            label=self._maps.label(row.index),
            score=self._maps.score(row.index, score),
            caption=f"{image.stem}: AP {100 * row.figures[score]['AP']:.1f} %",
            read=partial(self.data.picture, row.index),
        )


class _ExtremeMaps:
    """Keeps the maps of the best and worst images so far of one rank, and removes the others."""

    def __init__(self, maps: MapFolder, images: list[str], score: str) -> None:
        self._maps, self._images, self._score = maps, images, score
        self._rows: dict[int, ImageRow] = {}

    def takes(self, row: ImageRow) -> bool:
        """Whether the map of this image is one to keep."""
        rows = {**self._rows, row.index: row}
        best, worst = extremes(rows.values(), self._images, self._score)
        for index in rows.keys() - {*best, *worst}:
            if index != row.index:
                self._maps.remove(index)
            del rows[index]
        self._rows = rows
        return row.index in rows


def closed_set_figures(areas: torch.Tensor) -> dict[str, float]:
    """``aAcc``, ``mIoU`` and ``mAcc`` in percent from mmseg's (4, C) areas, not rounded.

    As mmseg's ``IoUMetric``, classes that occur nowhere are left out of the means.
    """
    found = IoUMetric.total_area_to_metrics(*areas, ["mIoU"])
    names = {"aAcc": "aAcc", "mIoU": "IoU", "mAcc": "Acc"}
    return {name: float(np.nanmean(found[key])) * 100 for name, key in names.items()}


def _to_map(data: torch.Tensor) -> np.ndarray:
    return data.squeeze(0).cpu().numpy()
