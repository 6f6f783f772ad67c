"""One data set of a benchmark: the pass over its images, and all that is computed from the maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mmengine.dist import all_gather_object, is_main_process

from mmosr.apis import Loaded
from mmosr.apis.inference import to_map
from mmosr.evaluation.components import ComponentCounts, component_counts, component_figures
from mmosr.evaluation.counts import count_image
from mmosr.evaluation.curves import best_f1, figures
from mmosr.runs.batches import cut
from mmosr.runs.progress import progress
from mmosr.runs.ranks import FailureNote, from_first, share
from mmosr.runs.record import read_json, write_json
from mmosr.visualization.frames import Frame

from .data import BenchmarkData
from .maps import MapFolder, extremes
from .passes import predict
from .result import DatasetResult
from .state import ImageRow, Part, PartWriter, images_done, part_files, remove_unfinished

T = TypeVar("T")


@dataclass
class _Plan:
    """What depends on the whole data set, on every rank."""

    thresholds: dict[str, float]
    best: list[int]
    worst: list[int]
    count_components: bool


class DatasetRun:
    """Tests a model on a data set. All ranks make the same calls.

    Args:
        loaded: The model, with the scores to test.
        data: The images.
        folder: Folder of all files of this data set.
        note: Informs ranks of each other's failures.
        keep_maps: Keep the score maps of all images.
    """

    def __init__(
        self, loaded: Loaded, data: BenchmarkData, folder: Path, note: FailureNote, keep_maps: bool
    ) -> None:
        self.data, self.note, self.keep_maps = data, note, keep_maps
        self.scores = list(loaded.model.score_names)
        self._loaded, self._num_classes = loaded, data.num_classes(loaded.classes)
        self._parts, self._components = folder / "parts", folder / "components.json"
        self._all_maps = keep_maps or data.protocol.components is not None
        kept = self.scores if self._all_maps else self.scores[:1]
        self._maps = MapFolder(folder / "maps", data.images, kept)
        self._total: Part | None = None  # of all images, on the first rank
        self._extreme: dict[int, ImageRow] = {}  # best and worst images of this rank so far

    def run(self) -> DatasetResult | None:
        """Test all images that are not done yet; only the first rank gets the result.

        Raises:
            InputError: An image or its labels cannot be read, or its scores are not finite.
        """
        from_first(lambda: remove_unfinished(self._parts))
        done = from_first(lambda: images_done(self._parts))
        self.note.together(lambda: self._count(done))
        plan = from_first(self._merge)
        self._fill_maps(plan)
        components = self._component_figures(plan)
        if not is_main_process():
            return None
        if not self.keep_maps:
            self._maps.keep_only({*plan.best, *plan.worst})
        return self._result(plan, components)

    def remove_maps(self) -> None:
        """Remove the maps once the report no longer needs them, unless they are to be kept."""
        if not self.keep_maps:
            self._maps.keep_only(())

    # --- the pass -------------------------------------------------------------------------------

    def _count(self, done: set[int]) -> None:
        """Count this rank's share of the images that are not done."""
        with PartWriter(self._parts) as writer:
            for index, sample in self._predict(set(range(len(self.data))) - done):
                # The map is written first, so that every image that is done has its map.
                counts = count_image(sample, self._num_classes, self.scores)
                if self._all_maps:
                    self._write_maps(index, sample)
                row = writer.add(index, counts)
                if not self._all_maps and self._is_extreme(row):
                    self._write_maps(index, sample)

    def _is_extreme(self, row: ImageRow) -> bool:
        """Whether an image is among the best and worst so far; maps of all others are removed."""
        self._extreme[row.index] = row
        best, worst = extremes(self._extreme.values(), self.data.images, self.scores[0])
        for index in self._extreme.keys() - {*best, *worst}:
            self._maps.remove(index)
            del self._extreme[index]
        return row.index in self._extreme

    def _predict(self, indices: set[int], what: str = "") -> Iterator[tuple[int, dict]]:
        """This rank's share of some images, in batches that do not depend on what is done."""
        batches = cut(range(len(self.data)), self._loaded.batch_size)
        batches = share([batch for batch in batches if not indices.isdisjoint(batch)])
        total = sum(index in indices for batch in batches for index in batch)
        samples = predict(self._loaded, self.data, batches, self._num_classes is not None)
        wanted = (item for item in samples if item[0] in indices)
        return self._progress(wanted, what, total)

    def _progress(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        """Yield the items until another rank has failed."""
        name = f"{self.data.name}{what}"
        for item in progress(items, name, total=total, show=is_main_process()):
            yield item
            self.note.check()

    def _write_maps(self, index: int, sample: dict) -> None:
        maps = {name: to_map(sample["pred_anomaly"][name]) for name in self._maps.scores}
        self._maps.write(index, to_map(sample["gt_sem_seg"]["data"]), maps)

    # --- what follows from all images -----------------------------------------------------------

    def _merge(self) -> _Plan:
        """Add up all parts (on the first rank only) and return what is left to do."""
        total = self._total = Part.total([Part.load(path) for path in part_files(self._parts)])
        best, worst = extremes(total.rows, self.data.images, self.scores[0])
        histograms = total.counts.histograms
        thresholds = {name: best_f1(histograms[name])[1] for name in self.scores}
        wanted = self.data.protocol.components is not None and not self._components.exists()
        return _Plan(thresholds, best, worst, wanted)

    def _fill_maps(self, plan: _Plan) -> None:
        """Predict images again if an earlier run removed or never wrote their maps."""
        needed = {*plan.best, *plan.worst}
        if plan.count_components or self.keep_maps:
            needed = set(range(len(self.data)))
        missing = from_first(lambda: {i for i in needed if not self._maps.has(i)})

        def fill() -> None:
            for index, sample in self._predict(missing, ", maps again"):
                self._write_maps(index, sample)

        self.note.together(fill)

    def _component_figures(self, plan: _Plan) -> dict[str, dict[str, float]]:
        """Component figures by score; they are stored, because the maps are not kept."""
        if self.data.protocol.components is None:
            return {}
        if plan.count_components:
            counted: dict[str, list[ComponentCounts]] = {name: [] for name in self.scores}
            self.note.together(lambda: self._count_components(plan, counted))
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
                if not math.isnan(threshold):  # else there are no unknown pixels at all
                    score = self._maps.score(index, name)
                    counted[name].append(component_counts(score, label, threshold, sizes))

    # --- the result -----------------------------------------------------------------------------

    def _result(self, plan: _Plan, components: dict) -> DatasetResult:
        counts, rows = self._total.counts, self._total.rows
        histograms = {name: counts.histograms[name] for name in self.scores}
        first = histograms[self.scores[0]]
        return DatasetResult(
            name=self.data.name,
            protocol=self.data.protocol,
            images=counts.images,
            known=first.num_known,
            unknown=first.num_unknown,
            ignored=counts.ignored,
            closed_set=counts.closed_set_figures(),
            histograms=histograms,
            figures={
                name: {**figures(part), **components.get(name, {})}
                for name, part in histograms.items()
            },
            per_image=[
                {
                    "image": self.data.images[row.index],
                    "score": name,
                    "known": row.known,
                    "unknown": row.unknown,
                    **row.figures[name],
                }
                for row in rows
                for name in self.scores
            ],
            frames={
                kind: [self._frame(rows[index]) for index in indices]
                for kind, indices in {"best": plan.best, "worst": plan.worst}.items()
            },
        )

    def _frame(self, row: ImageRow) -> Frame:
        image, score = Path(self.data.images[row.index]), self.scores[0]
        return Frame(
            image=image,
            label=self._maps.label(row.index),
            score=self._maps.score(row.index, score),
            caption=f"{image.stem}: AP {100 * row.figures[score]['AP']:.1f} %",
            read=partial(self.data.picture, row.index),
        )
