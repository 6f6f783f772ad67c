"""Several models on the same test data: one table of figures, one sheet of pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from rich.console import Console
from rich.markup import escape
from torch import nn

from mmosr.config.checks import check_data, check_has
from mmosr.config.loading import load_config
from mmosr.engine.tested_images import PictureReader, picture_reader
from mmosr.runs.progress import progress
from mmosr.runs.tables import log_console, terminal_table, write_csv
from mmosr.utils import UNKNOWN_LABEL
from mmosr.utils.threads import use_free_processors
from mmosr.visualization import Frame, draw_frames, draw_labels, score_range, write_figure

from .inference import AnomalyInferencer, to_map
from .loading import load

FIGURES = ("AUROC", "AP", "FPR95", "mIoU")
SHEET_COLUMNS = ("outlined", "prediction", "score")
# The colours of a sheet range from what is common in known pixels to what is rare overall.
SHEET_PERCENTILES = (90.0, 99.5)


@dataclass(frozen=True)
class Contestant:
    """A model that takes part in a comparison.

    Args:
        name: Its name in the table.
        config: Its config file, which defines the test data.
        checkpoint: Its weights.
        scores: Scores that replace the config's.
        cfg_options: Settings merged into the config.
    """

    name: str
    config: str | os.PathLike
    checkpoint: str | os.PathLike
    scores: tuple[str, ...] = ()
    cfg_options: Mapping[str, Any] | None = None


@dataclass
class Comparison:
    """The results of a model.

    Args:
        name: Name of the contestant.
        scores: Names of its scores.
        figures: Figures in percent, named as in :class:`~mmosr.evaluation.OpenSetMetric`.
        frames: Pictures with its first score.
    """

    name: str
    scores: tuple[str, ...]
    figures: dict[str, float]
    frames: list[Frame] = field(default_factory=list)

    def rows(self) -> list[tuple[str, list[float]]]:
        """Each score and its ``FIGURES``; NaN if a figure is undefined."""
        figures = {**self.figures, "mIoU": self.figures.get("mIoU", math.nan)}
        return [
            (score, [figures.get(c, figures.get(f"{score}/{c}", math.nan)) for c in FIGURES])
            for score in self.scores
        ]


def compare(contestant: Contestant, frames: int = 0, trust: bool = False) -> Comparison:
    """Test a segmentation model, and keep some pictures.

    Args:
        contestant: The model. ``test_dataloader`` and ``test_evaluator`` of its config define the
            test.
        frames: Pictures to keep: the first of the test data and, if there is a ``val_dataloader``,
            its first as the last one, which has no unknown objects.
        trust: See :func:`~mmosr.apis.load`.

    Raises:
        InputError: A file or the data are missing, or the model has no anomaly maps.
    """
    cfg = load_config(contestant.config, contestant.cfg_options)
    check_has(cfg, ("test_dataloader", "test_evaluator"), "test")
    calm = 1 if frames > 1 and cfg.get("val_dataloader") else 0
    check_data(cfg, ["test_dataloader", *["val_dataloader"] * calm])
    use_free_processors()  # others keep some busy; nothing is resumed here
    loaded = load(cfg, contestant.checkpoint, contestant.scores, trust=trust, launcher="none")
    model = loaded.model
    AnomalyInferencer.check_model(model)
    loader = Runner.build_dataloader(cfg.test_dataloader)
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    kept: list[Frame] = []
    frame = partial(_frame, loaded.palette, picture_reader(loader.dataset))
    for batch, samples in _outputs(model, loader, contestant.name):
        evaluator.process(samples, batch)
        kept += map(frame, samples[: frames - calm - len(kept)])
    if calm:
        val = Runner.build_dataloader(cfg.val_dataloader)
        sample = next(_outputs(model, val, "validation"))[1][0]
        kept.append(_frame(loaded.palette, picture_reader(val.dataset), sample))
    figures = evaluator.evaluate(len(loader.dataset))
    return Comparison(contestant.name, tuple(model.score_names), figures, kept)


def write_comparison(results: Sequence[Comparison], path: str | os.PathLike) -> None:
    """Write the rows of all models as CSV, atomically; figures in percent."""
    rows = [(result.name, score, *row) for result in results for score, row in result.rows()]
    write_csv(path, rows, ("model", "score", *FIGURES))


def show_comparison(results: Sequence[Comparison], console: Console | None = None) -> None:
    """Print the rows of all models, the best figure of each column in bold."""
    rows = [(result.name, *row) for result in results for row in result.rows()]
    title = "in percent; FPR95: lower is better"
    table, best = terminal_table(["model", "score"], FIGURES, title=title), []
    for index, name in enumerate(FIGURES):
        values = [values[index] for *_, values in rows if not math.isnan(values[index])]
        best.append((min if name == "FPR95" else max)(values, default=None))
    for name, score, values in rows:
        cells = (
            f"[bold]{value:.1f}[/bold]" if value == top else f"{value:.1f}"
            for value, top in zip(values, best, strict=True)
        )
        table.add_row(escape(name), escape(score), *cells)
    (console or log_console()).print(table)


def draw_sheet(comparison: Comparison, path: str | os.PathLike, title: str) -> None:
    """Draw the kept pictures: outlined unknown objects, prediction, heatmap; in one colour range.

    Args:
        comparison: Results with frames.
        path: Path of the picture.
        title: Its title.
    """
    frames = comparison.frames
    value_range = score_range(lambda: (frame.score for frame in frames), SHEET_PERCENTILES)
    figure = draw_frames(frames, title, value_range, columns=SHEET_COLUMNS, zoom=2)
    write_figure(figure, path)


@torch.no_grad()
def _outputs(model: nn.Module, loader, what: str) -> Iterator[tuple[dict, list[SegDataSample]]]:
    for batch in progress(loader, f"test {what}", "batches"):
        yield batch, model.test_step(batch)


def _frame(palette: Sequence | None, read: PictureReader, sample: SegDataSample) -> Frame:
    label, score, pred = (
        to_map(data.data) for data in (sample.gt_sem_seg, sample.pred_anomaly, sample.pred_sem_seg)
    )
    colours = draw_labels(pred, palette) if palette else np.stack([pred.astype(np.uint8)] * 3, -1)
    unknown = (label == UNKNOWN_LABEL).mean()
    objects = f"{100 * unknown:.1f} % unknown" if unknown else "no unknown object"
    path = Path(sample.img_path)
    caption, read = f"{path.stem}: {objects}", partial(read, path)
    return Frame(path, label.astype(np.uint8), score, caption, colours, read)
