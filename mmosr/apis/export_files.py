"""Files of an export: the raw maps, and the record that a resumed run is checked against."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from mmosr.runs.files import atomic_write
from mmosr.utils import InputError
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


def write_record(out_dir: Path, record: Mapping) -> None:
    """Write ``export.json``, whole."""
    with atomic_write(out_dir / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


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
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        images = dict(record["images"])
        # Where files lie may change between runs, what they hold may not.
        compared = ("checkpoint_sha256", "config_sha256", "score", "input")
        differing = [key for key in compared if record["run"][key] != run[key]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is no record of an export: run without --resume, or use another --out-dir"
        ) from error
    if differing:
        names = ", ".join(key.removesuffix("_sha256") for key in differing)
        raise InputError(
            f"cannot resume: '{path}' was made with another {names}; "
            "run without --resume, or use another --out-dir"
        )
    return images


def forget(out_dir: Path, item: ImageItem) -> None:
    """Remove the outputs of an image."""
    for kind in OUTPUTS:
        output_path(out_dir, item, kind).unlink(missing_ok=True)
