"""The images of a data set as a model is tested on them, for pictures."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmosr.datasets.fishyscapes import add_overlay

PictureReader = Callable[[str | os.PathLike], np.ndarray]


def read_picture(item: Mapping[str, Any]) -> np.ndarray:
    """The image of a data info, (H, W, 3) RGB, with the objects of Fishyscapes Static.

    Raises:
        InputError: A file cannot be read.
    """
    from mmosr.visualization.pictures import read_image  # late: matplotlib takes time

    image = read_image(item["img_path"])
    return add_overlay(image, item["overlay_path"]) if "overlay_path" in item else image


def picture_reader(dataset: Any) -> PictureReader:
    """:func:`read_picture` of the images of a data set, by their paths.

    Args:
        dataset: The data infos are all gone through at the first picture, if it gives them.
    """

    @functools.cache
    def overlays() -> dict[str, Mapping[str, Any]]:
        count = len(dataset) if hasattr(dataset, "get_data_info") else 0
        items = map(dataset.get_data_info, range(count)) if count else ()
        return {os.path.abspath(i["img_path"]): i for i in items if "overlay_path" in i}

    def read(path: str | os.PathLike) -> np.ndarray:
        return read_picture(overlays().get(os.path.abspath(path), {"img_path": path}))

    return read
