"""Files of an export: the raw maps, and the record that a resumed run is checked against."""

import os
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from mmosr.runs.record import check_resumable, read_json
from mmosr.visualization.pictures import (
    ImageItem,
    output_path,
    read_labels,
    write_picture,
    write_score,
)

from .inference import AnomalyResult
from .loading import Loaded

OUTPUTS = ("score.npy", "pred.png", "heatmap.png", "overlay.png", "pred_color.png")
RECORD = "export.json"


def write_maps(out_dir: Path, item: ImageItem, result: AnomalyResult) -> None:
    """Write the raw score map and the labels of one image."""
    write_score(output_path(out_dir, item, "score.npy"), result.score)
    dtype = np.uint8 if result.num_classes <= 256 else np.uint16
    write_picture(output_path(out_dir, item, "pred.png"), result.pred.astype(dtype))


def is_complete(out_dir: Path, item: ImageItem) -> bool:
    """Whether the raw map and the labels of an image are there, whole, and of one size."""
    try:
        # Mapping checks the header against the length of the file, without reading it all.
        score = np.load(output_path(out_dir, item, "score.npy"), mmap_mode="r")
        labels = read_labels(out_dir, item)
    except (OSError, ValueError, EOFError, cv2.error):
        return False
    return labels is not None and score.dtype == np.float32 and score.shape == labels.shape


def describe_run(loaded: Loaded, score: str, source: str) -> dict:
    """What decides the raw maps of a run; a resumed run must have the same.

    Args:
        loaded: The model.
        score: Name of the exported score.
        source: The input argument.
    """
    return {**loaded.identity(), "score": score, "input": os.path.abspath(source)}


def recorded_sources(out_dir: Path, run: Mapping) -> dict[str, str]:
    """Sources by output name of the export in ``out_dir``, for a run that resumes it.

    Returns:
        Empty when there is none yet.

    Raises:
        InputError: The export there is of another run, or its record cannot be read.
    """
    path = out_dir / RECORD
    if not path.is_file():
        return {}
    record = read_json(path)
    check_resumable(path, record.get("run"), run)
    return record["images"]


def forget(out_dir: Path, item: ImageItem) -> None:
    """Remove the outputs of an image."""
    for kind in OUTPUTS:
        output_path(out_dir, item, kind).unlink(missing_ok=True)
