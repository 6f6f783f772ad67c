"""What the images and labels of a data set contain, read once and one at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmseg.datasets import BaseSegDataset
from PIL import Image

from mmosr.apis.image_loading import check_image
from mmosr.datasets.fishyscapes import add_overlay
from mmosr.datasets.transforms import label_meanings, label_table
from mmosr.runs.progress import progress
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError
from mmosr.utils.errors import one_line

from .convert import read_raw_label


@dataclass
class Survey:
    """What was found in the files of a data set.

    Attributes:
        pixels: Number of pixels of each value in the label files.
        meanings: Label of each value: a known class, 254, or 255.
        sizes: Number of images of each size (height, width).
        without_unknown: Images without an unknown pixel.
        unreadable: What is wrong with files that cannot be read.
        wrong: Values that are not allowed, by label file.
        unequal: Label files with another size than their image.
    """

    pixels: Counter[int] = field(default_factory=Counter)
    meanings: dict[int, int] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    without_unknown: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    wrong: dict[str, list[int]] = field(default_factory=dict)
    unequal: list[str] = field(default_factory=list)

    def count(self, label: int | None = None) -> int:
        """Pixels with a label; without one, those of the known classes."""
        others = (None, UNKNOWN_LABEL, IGNORE_LABEL)
        meant = [(self.meanings.get(value), number) for value, number in self.pixels.items()]
        return sum(n for m, n in meant if (m not in others if label is None else m == label))


def survey(items: Sequence[Mapping], num_classes: int) -> Survey:
    """Read all images and labels.

    Args:
        items: Data infos of the data set, with ``img_path`` and ``seg_map_path``.
        num_classes: Number of classes, for a data set that does not define its label values.
    """
    result = Survey()
    for item in progress(items, "read"):
        meanings = item.get("label_values")
        if meanings is None:
            table = label_table(bool(item.get("reduce_zero_label")), item.get("label_map"))
            meanings = label_meanings(table, num_classes)
        result.meanings.update(meanings)
        try:
            size = _image_size(item["img_path"])
            if "overlay_path" in item:
                add_overlay(np.zeros((*size, 3), np.uint8), item["overlay_path"])
            result.sizes[size] += 1
            label = read_raw_label(Path(item["seg_map_path"]))
        except InputError as error:
            result.unreadable.append(str(error))
            continue
        if label.shape != size:
            result.unequal.append(
                f"{item['seg_map_path']} is {label.shape[0]} x {label.shape[1]}, its image "
                f"{size[0]} x {size[1]}"
            )
        counts = np.bincount(label.ravel(), minlength=256)
        values = np.flatnonzero(counts).tolist()
        result.pixels.update({value: int(counts[value]) for value in values})
        wrong = [value for value in values if value not in meanings]
        if wrong:
            result.wrong[item["seg_map_path"]] = wrong
        if not any(meanings.get(value) == UNKNOWN_LABEL for value in values):
            result.without_unknown.append(item["img_path"])
    return result


def _image_size(path: str) -> tuple[int, int]:
    check_image(path)
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except OSError as error:
        raise InputError(f"image {path} cannot be read: {one_line(str(error))}") from error


def missing_counterparts(dataset: BaseSegDataset) -> list[str]:
    """Files that lack their counterpart in a folder of images or of labels.

    If the data set has a list of images, only those count; otherwise a label file without an image
    counts as well.

    Args:
        dataset: Not loaded yet: ``lazy_init=True``.
    """
    folders = [dataset.data_prefix.get(key) for key in ("img_path", "seg_map_path")]
    if not all(isinstance(folder, str) and os.path.isdir(folder) for folder in folders):
        return []
    kinds = list(zip(folders, (dataset.img_suffix, dataset.seg_map_suffix), strict=True))
    found = [_keys(folder, suffix) for folder, suffix in kinds]
    needed = set.union(*found)
    if dataset.ann_file:
        if not os.path.isfile(dataset.ann_file):
            return []
        needed = set(Path(dataset.ann_file).read_text(encoding="utf-8").split())
    return [
        os.path.join(folder, f"{key}{suffix}")
        for (folder, suffix), there in zip(kinds, found, strict=True)
        for key in sorted(needed - there)
    ]


def _keys(folder: str, suffix: str) -> set[str]:
    """Paths below a folder without the suffix that they end in."""
    return {
        os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")[: -len(suffix)]
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.endswith(suffix) and not name.startswith(".")
    }


def unused_files(root: Path, used: Sequence[str]) -> list[str]:
    """Files below a folder that are not in ``used``, except hidden ones, sorted."""
    paths = {os.path.abspath(path) for path in used}
    found = []
    for parent, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = [os.path.join(parent, name) for name in names if not name.startswith(".")]
        found += [os.path.relpath(f, root) for f in files if os.path.abspath(f) not in paths]
    return sorted(found)
