"""Truth, prediction and scores of every image of a test, as a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmosr.runs.tables import write_csv
from mmosr.utils import InputError

COLUMNS = ("image", "truth", "prediction")


@dataclass(frozen=True)
class ImageTable:
    """One entry per image, in the order of the data.

    Args:
        images: Paths, or other names of images without a path.
        truth: Known labels or :data:`~mmosr.evaluation.rejection.UNKNOWN`, shape (N,).
        predictions: Closed-set labels, shape (N,).
        scores: Anomaly scores by name, float32 of shape (N,).
    """

    images: Sequence[str]
    truth: np.ndarray
    predictions: np.ndarray
    scores: Mapping[str, np.ndarray]


def write_image_table(path: str | os.PathLike, table: ImageTable) -> None:
    """Write a table, whole. Scores have all digits of their float32 value."""
    columns = [table.images, table.truth.tolist(), table.predictions.tolist()]
    columns += [values.astype(np.float32).tolist() for values in table.scores.values()]
    write_csv(path, zip(*columns, strict=True), [*COLUMNS, *table.scores])


def read_image_table(path: str | os.PathLike) -> ImageTable:
    """Read what :func:`write_image_table` wrote, exactly.

    Raises:
        InputError: The file is not such a table.
    """
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    if tuple(header[:3]) != COLUMNS or any(len(row) != len(header) for row in rows):
        raise InputError(f"'{path}' is not a table of images with columns {', '.join(COLUMNS)}")
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    truth, predictions = (np.array(values, np.int64) for values in columns[1:3])
    scores = zip(header[3:], columns[3:], strict=True)
    return ImageTable(
        list(columns[0]),
        truth,
        predictions,
        {name: np.array(values, np.float32) for name, values in scores},
    )
