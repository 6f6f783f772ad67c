"""Conversions of single files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmosr.apis.image_loading import check_image
from mmosr.datasets.fishyscapes import compose_static
from mmosr.datasets.transforms import LoadOpenSetAnnotations
from mmosr.utils import IGNORE_LABEL, InputError
from mmosr.visualization.pictures import read_image

_CAMVID_VOID = 11


def read_raw_label(path: Path) -> np.ndarray:
    """The values of a label file as they stand there ``(H, W)``, uint8.

    Raises:
        InputError: The file is missing, no image, or no label map.
    """
    check_image(str(path))
    loader = LoadOpenSetAnnotations(num_classes=256)
    item = dict(seg_map_path=str(path), reduce_zero_label=False, seg_fields=[])
    return loader.transform(item)["gt_seg_map"]


def move_void(label: Path) -> Callable[[Path], None]:
    """Writes SegNet's label file of CamVid with void as 255 instead of 11.

    Raises:
        InputError: When called: the file is no label map, or holds a value above 11 but 255.
    """

    def write(path: Path) -> None:
        values = read_raw_label(label)
        wrong = np.setdiff1d(values, [*range(_CAMVID_VOID + 1), IGNORE_LABEL]).tolist()
        if wrong:
            raise InputError(
                f"label file {label} holds the values {wrong}: expected 0 to 10, and 11 (void): "
                "take the labels of SegNet's tutorial"
            )
        write_png(path, np.where(values == _CAMVID_VOID, np.uint8(IGNORE_LABEL), values))

    return write


def add_overlay(overlay: Path, image: Path) -> Callable[[Path], None]:
    """Writes the image of Fishyscapes Static that an overlay and a Cityscapes image make.

    Raises:
        InputError: When called: a file cannot be read, or the two do not fit.
    """

    def write(path: Path) -> None:
        check_image(str(image))
        picture = read_image(image)
        try:
            with np.load(overlay, allow_pickle=False) as arrays:
                difference = arrays["rgb"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"overlay {overlay} cannot be read ({error}): unpack the download again"
            ) from error
        try:
            picture = compose_static(picture, difference)
        except InputError as error:
            raise InputError(f"overlay {overlay}, image {image}: {error}") from error
        write_png(path, np.ascontiguousarray(picture[..., ::-1]))

    return write


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write labels ``(H, W)`` or a BGR picture ``(H, W, 3)``."""
    if not cv2.imwrite(str(path), picture):
        raise OSError(f"cannot write {path}")
