"""Export of anomaly heatmaps: raw maps first, then all pictures with one colour range."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmosr.runs.batches import cut
from mmosr.runs.progress import progress
from mmosr.runs.record import check_resumable, not_a_record, read_json, write_json
from mmosr.utils import InputError
from mmosr.version import __version__
from mmosr.visualization import HeatmapStyle, ImageItem, check_range, draw_pictures, maps_range
from mmosr.visualization.pictures import (
    PERCENTILES,
    output_path,
    read_labels,
    write_picture,
    write_score,
)

from .inference import AnomalyInferencer, AnomalyResult, Inferencer
from .loading import Loaded

OUTPUTS = ("score.npy", "pred.png", "heatmap.png", "overlay.png", "pred_color.png")
EXPORT_RECORD = "export.json"


@dataclass(frozen=True)
class ExportSettings:
    """What to export and how.

    Args:
        out_dir: Folder of all outputs.
        style: How heatmaps are drawn.
        value_range: Scores of the first and the last colour. Default: from the whole run.
        range_from: ``percentile`` (1 and 99 percent of all pixels of the run, exact) or ``minmax``.
        per_image_range: A separate range per image; heatmaps cannot be compared.
        color_pred: Also draw the labels with the palette of the data.
        batch_size: Images that go through the network together if their sizes are equal.
        resume: Keep what an interrupted run with the same model has finished.

    Raises:
        InputError: A setting is out of range, or two exclude each other.
    """

    out_dir: Path
    style: HeatmapStyle = field(default_factory=HeatmapStyle)
    value_range: tuple[float, float] | None = None
    range_from: str = "percentile"
    per_image_range: bool = False
    color_pred: bool = False
    batch_size: int = 1
    resume: bool = False

    def __post_init__(self) -> None:
        if self.value_range is not None:
            check_range(*self.value_range)
            if self.per_image_range:
                raise InputError("a given range and a range per image exclude each other")
        if self.range_from not in PERCENTILES:
            raise InputError(f"range_from is percentile or minmax, not '{self.range_from}'")
        if self.batch_size < 1:
            raise InputError(f"the batch size must be at least 1, got {self.batch_size}")


@dataclass(frozen=True)
class ExportReport:
    """The result of an export.

    Args:
        written: Images with all their outputs.
        failed: Reason by source for each other image.
        value_range: The colour range of the run; None with a range per image or without images.
        not_finite: Sources whose map has NaN or infinite scores.
    """

    written: int
    failed: dict[str, str]
    value_range: tuple[float, float] | None
    not_finite: list[str]


def export_heatmaps(
    inferencer: AnomalyInferencer,
    items: Sequence[ImageItem],
    settings: ExportSettings,
    run: Mapping,
) -> ExportReport:
    """Write raw maps, labels, heatmaps and overlays of images, and ``export.json``.

    The model first runs over all images and its maps are kept; then the colour range is taken from
    the maps on disk and all pictures are drawn with it. A resumed run therefore ends with the same
    files as an uninterrupted one. An image that cannot be read does not stop the others.

    Args:
        inferencer: Computes the maps.
        items: From :func:`~mmosr.apis.find_images`.
        settings: What to export and how.
        run: From :func:`~mmosr.apis.describe_run`.

    Raises:
        InputError: A resumed run differs from the recorded one, or the palette is missing.
    """
    palette = _palette(inferencer.model) if settings.color_pred else None
    out_dir, style = settings.out_dir, settings.style
    done = _start(items, settings, run)
    failed = _predict(inferencer, items, settings, done)
    items = [item for item in items if str(item.source) not in failed]
    value_range = settings.value_range
    if value_range is None and not settings.per_image_range and items:
        value_range = maps_range(items, out_dir, settings.range_from)
    failed_drawing, not_finite = draw_pictures(
        items, out_dir, style, value_range, run["score"], palette, settings.range_from
    )
    failed.update(failed_drawing)
    record = _record(items, settings, run, value_range)
    write_json(out_dir / EXPORT_RECORD, {**record, "failed": failed, "finished": True})
    written = len(items) - len(failed_drawing)
    return ExportReport(written, failed, value_range, not_finite)


def _palette(model) -> list:
    palette = (model.dataset_meta or {}).get("palette")
    if not palette:
        raise InputError(
            "neither the checkpoint nor the config's test dataset has a palette: "
            "leave out --color-pred"
        )
    return palette


def _start(items: Sequence[ImageItem], settings: ExportSettings, run: Mapping) -> set[ImageItem]:
    """Remove what this run must not mistake for its own, record it, and return what is done."""
    out_dir = settings.out_dir
    known = _recorded_sources(out_dir, run) if settings.resume else {}
    done = {
        item
        for item in items
        if known.get(item.name) == str(item.source) and _is_complete(out_dir, item)
    }
    for item in items:
        for kind in OUTPUTS if item not in done else ():
            output_path(out_dir, item, kind).unlink(missing_ok=True)
    # Recorded only now, so that everything in the record belongs to this run, also after a kill.
    record = _record(items, settings, run, None)
    write_json(out_dir / EXPORT_RECORD, {**record, "finished": False})
    return done


def _record(
    items: Sequence[ImageItem],
    settings: ExportSettings,
    run: Mapping,
    value_range: tuple[float, float] | None,
) -> dict:
    source = "given" if settings.value_range else settings.range_from
    return {
        "mmosr": __version__,
        "run": dict(run),
        "range": value_range,
        "range_from": f"{source} of each image" if settings.per_image_range else source,
        "cmap": settings.style.cmap,
        "alpha": settings.style.alpha,
        "images": {item.name: str(item.source) for item in items},
    }


def _predict(
    inferencer: AnomalyInferencer,
    items: Sequence[ImageItem],
    settings: ExportSettings,
    done: set[ImageItem],
) -> dict[str, str]:
    failed: dict[str, str] = {}
    for batch in progress(cut(items, settings.batch_size), "predict", "batches"):
        if done.issuperset(batch):
            continue
        results, errors = predict_readable(inferencer, batch)
        failed.update(errors)
        for item, result in results.items():
            write_maps(settings.out_dir, item, result)
    return failed


def predict_readable(
    inferencer: Inferencer, items: Sequence[ImageItem]
) -> tuple[dict[ImageItem, Any], dict[str, str]]:
    """Results of a batch of images, and the reason by source for each that cannot be read."""
    prepared, failed = {}, {}
    for item in items:
        try:
            prepared[item] = inferencer.prepare(item.source)
        except InputError as error:
            failed[str(item.source)] = str(error)
    results = inferencer.predict(list(prepared.values()))
    return dict(zip(prepared, results, strict=True)), failed


def write_maps(out_dir: Path, item: ImageItem, result: AnomalyResult) -> None:
    """Write the raw score map and the labels of one image."""
    write_score(output_path(out_dir, item, "score.npy"), result.score)
    dtype = np.uint8 if result.num_classes <= 256 else np.uint16
    write_picture(output_path(out_dir, item, "pred.png"), result.pred.astype(dtype))


def _is_complete(out_dir: Path, item: ImageItem) -> bool:
    """Whether the raw map and the labels of an image exist, complete and of the same size."""
    try:
        # Memory-mapping checks the header against the length of the file, without reading it all.
        score = np.load(output_path(out_dir, item, "score.npy"), mmap_mode="r")
        labels = read_labels(out_dir, item)
    except (OSError, ValueError, EOFError, cv2.error):
        return False
    return labels is not None and score.dtype == np.float32 and score.shape == labels.shape


def describe_run(loaded: Loaded, score: str, source: str) -> dict:
    """What determines the raw maps of a run; a resumed run must match.

    Args:
        loaded: The model.
        score: Name of the exported score.
        source: The input argument.
    """
    return {**loaded.identity(), "score": score, "input": os.path.abspath(source)}


def _recorded_sources(out_dir: Path, run: Mapping) -> dict[str, str]:
    """Sources by output name of the export in ``out_dir`` that is resumed."""
    path = out_dir / EXPORT_RECORD
    if not path.is_file():
        return {}
    record = read_json(path)
    check_resumable(path, record.get("run"), run)
    if not isinstance(record.get("images"), dict):
        raise not_a_record(path)
    return record["images"]
