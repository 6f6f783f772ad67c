"""Anomaly heatmaps of the test images, drawn during testing."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmseg.structures import SegDataSample

from mmosr.registry import HOOKS
from mmosr.runs.hashes import content_hash
from mmosr.runs.ranks import from_first
from mmosr.utils import InputError

from .checkpoint import unwrap
from .tested_images import picture_reader


@HOOKS.register_module()
class AnomalyVisualizationHook(Hook):
    """Write the raw score map, heatmap and overlay of the test images.

    All pictures share one colour range: the given one, or percentiles 1 and 99 of all drawn pixels,
    in which case the pictures are drawn at the end of the test. With several processes the folder
    must be visible to all of them.

    Args:
        out_dir: Folder of the pictures; None switches the hook off.
        value_range: Scores of the first and the last colour.
        interval: Draw the images of every ``interval``-th batch.
        **style: Arguments of :class:`~mmosr.visualization.HeatmapStyle`.

    Raises:
        InputError: The range is not two finite numbers LO < HI, or a style does not exist.
    """

    priority = "LOW"

    def __init__(
        self,
        out_dir: str | os.PathLike | None = None,
        value_range: Sequence[float] | None = None,
        interval: int = 1,
        **style,
    ) -> None:
        from mmosr.visualization import (
            HeatmapStyle,
            check_range,
        )  # imported late: matplotlib is slow to import

        self.out_dir = None if out_dir is None else Path(out_dir)
        self.value_range = None if value_range is None else check_range(*value_range)
        self.interval = interval
        self.style = HeatmapStyle(**style)
        self._sources: set[Path] = set()

    def before_test_epoch(self, runner) -> None:
        self._sources.clear()

    def after_test_iter(
        self, runner, batch_idx: int, data_batch=None, outputs: Sequence[SegDataSample] = ()
    ) -> None:
        if self.out_dir is None or not self.every_n_inner_iters(batch_idx, self.interval):
            return
        from mmosr.visualization.pictures import write_score

        for sample in outputs:
            if "pred_anomaly" not in sample:
                raise InputError(
                    "the model gives no anomaly score to draw: set "
                    "model.type='mmosr.OpenSetEncoderDecoder', or drop AnomalyVisualizationHook"
                )
            source = Path(os.path.abspath(sample.img_path))
            self._sources.add(source)
            write_score(self._raw(source), sample.pred_anomaly.data[0].cpu().numpy())

    def after_test_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        if self.out_dir is None:
            return
        # Names depend on all sources, so they are assigned only now.
        sources = sorted(set().union(*all_gather_object(self._sources)))
        if sources:
            from_first(lambda: self._draw(runner, sources))

    def _draw(self, runner, sources: list[Path]) -> None:
        from mmosr.visualization import common_folder, draw_pictures, maps_range, name_images
        from mmosr.visualization.pictures import output_path

        items = name_images(sources, common_folder(sources))
        for item in items:
            target = output_path(self.out_dir, item, "score.npy")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._raw(item.source), target)
        shutil.rmtree(self._raw(sources[0]).parent)
        value_range = self.value_range or maps_range(items, self.out_dir)
        name = unwrap(runner.model).score_names[0]
        read = picture_reader(runner.test_dataloader.dataset)
        failed, _ = draw_pictures(items, self.out_dir, self.style, value_range, name, read=read)
        for source, reason in failed.items():
            runner.logger.warning(f"no heatmap of {source}: {reason}")
        low, high = value_range
        runner.logger.info(
            f"{len(items) - len(failed)} heatmaps written to {self.out_dir}, "
            f"score {name}, colour range {low:g} to {high:g}"
        )

    def _raw(self, source: Path) -> Path:
        return self.out_dir / ".maps" / f"{content_hash(str(source))}.npy"
