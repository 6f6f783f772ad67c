"""Conversions of single files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmosr.apis.image_loading import check_image
from mmosr.datasets.transforms import LoadOpenSetAnnotations
from mmosr.utils import IGNORE_LABEL, InputError
from mmosr.visualization.pictures import write_picture

_CAMVID_VOID = 11


def read_raw_label(path: Path, num_classes: int = 256) -> np.ndarray:
    """The raw values of a label file ``(H, W)``, uint8.

    Raises:
        InputError: The file is missing, not an image or not a label map, or holds a value other
            than a class, 254 or 255.
    """
    check_image(str(path))
    loader = LoadOpenSetAnnotations(num_classes=num_classes)
    item = dict(seg_map_path=str(path), reduce_zero_label=False, seg_fields=[])
    return loader.transform(item)["gt_seg_map"]


def move_void(label: Path) -> Callable[[Path], None]:
    """Writes SegNet's label file of CamVid with void as 255 instead of 11.

    Raises:
        InputError: When called: the file is not a label map, or holds a value above 11 other than
            255.
    """

    def write(path: Path) -> None:
        values = read_raw_label(label)
        wrong = np.setdiff1d(values, [*range(_CAMVID_VOID + 1), IGNORE_LABEL]).tolist()
        if wrong:
            raise InputError(
                f"label file {label} holds the values {wrong}: expected 0 to 10, and 11 (void): "
                "use the labels of SegNet's tutorial"
            )
        moved = np.where(values == _CAMVID_VOID, np.uint8(IGNORE_LABEL), values)
        write_picture(path, moved)

    return write
