"""Loading labels without trusting them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import cv2
import mmcv
import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations

from mmosr.registry import TRANSFORMS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

_MEANINGS = {UNKNOWN_LABEL: " (unknown)", IGNORE_LABEL: " (ignored)"}


@TRANSFORMS.register_module()
class LoadOpenSetAnnotations(LoadAnnotations):
    """mmseg's ``LoadAnnotations``, with the values of the label file checked.

    A class id beyond the model's classes would otherwise crash deep inside a loss, or silently
    train nothing. Two checks: the raw values in the file against ``label_values`` of the data set,
    if it has them (a mapping from each allowed value to its label), and the labels after the data
    set's ``reduce_zero_label`` and ``label_map`` against the classes.

    The indices of palette images are the labels. A picture with equal colour channels, with or
    without alpha, is read as one channel.

    Args:
        num_classes: Known classes C; after the dataset's label map a value must be in
            ``0 .. C-1``, 254 (unknown) or 255 (ignored). Default: from the dataset.
        **kwargs: See ``LoadAnnotations``.

    Raises:
        InputError: The file is missing, not an image or a colour image, or has another value.
    """

    def __init__(self, num_classes: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def _load_seg_map(self, results: dict) -> None:
        path = results.get("seg_map_path")
        if path is None:
            raise InputError(
                f"image {results.get('img_path')} has no label file: set data_prefix.seg_map_path "
                "of the dataset, or remove LoadOpenSetAnnotations from the pipeline"
            )
        label = self._read(path)
        table = self._table(results)
        self._check_values(label, table, results)
        results["gt_seg_map"] = cv2.LUT(label, table)
        results["seg_fields"].append("gt_seg_map")

    def _read(self, path: str) -> np.ndarray:
        """The values of the file ``(H, W)``, uint8."""
        try:
            content = fileio.get(path, backend_args=self.backend_args)
            picture = mmcv.imfrombytes(content, flag="unchanged", backend=self.imdecode_backend)
            # Other backends return the colours of a palette, even if these are grey.
            if picture.ndim > 2 and self.imdecode_backend == "pillow":
                picture = _equal_channels(content)
        except FileNotFoundError:
            raise InputError(
                f"label file {path} is missing: check data_root and suffixes"
            ) from None
        except (OSError, AttributeError, SyntaxError, ValueError, cv2.error) as error:
            raise InputError(f"label file {path} cannot be read as an image ({error})") from None
        if picture.ndim != 2:
            raise InputError(
                f"label file {path} has the shape {picture.shape}: expected (H, W), "
                "one class id per pixel; convert the labels if they are colours"
            )
        return _eight_bits(picture, path)

    def _table(self, results: dict) -> np.ndarray:
        """Label of each of the 256 possible values in a file."""
        reduce = results["reduce_zero_label"]
        if self.reduce_zero_label not in (None, reduce):
            raise InputError(
                f"reduce_zero_label is {reduce} in the dataset and {self.reduce_zero_label} in "
                "LoadOpenSetAnnotations: remove it from the transform"
            )
        return label_table(reduce, results.get("label_map"))

    def _check_values(self, label: np.ndarray, table: np.ndarray, results: dict) -> None:
        num_classes = self.num_classes or results.get("num_classes")
        if num_classes is None:
            raise InputError(
                "LoadOpenSetAnnotations: num_classes is not set, and the dataset does not have it: "
                "add num_classes to the transform, or use mmosr.HeldOutDataset"
            )
        by_classes = label_meanings(table, num_classes)
        present = np.flatnonzero(cv2.calcHist([label], [0], None, [256], [0, 256])).tolist()
        for expected in (results.get("label_values"), by_classes):
            wrong = [] if expected is None else [v for v in present if v not in expected]
            if wrong:
                raise InputError(
                    f"label file {results['seg_map_path']} holds the values {wrong}: expected "
                    f"{_in_words(expected)}; convert the labels, or correct the dataset's classes"
                )


def label_table(reduce_zero_label: bool, label_map: Mapping[int, int] | None) -> np.ndarray:
    """Label of each of the 256 possible values in a file, uint8, by the rule of the host."""
    table = np.arange(256, dtype=np.uint8)
    if reduce_zero_label:  # 0 and 255 are ignored, any other value is one less
        table = np.where(np.isin(table, (0, IGNORE_LABEL)), IGNORE_LABEL, table - 1)
    mapping = np.arange(256, dtype=np.uint8)
    for old, new in (label_map or {}).items():
        if 0 <= old < len(mapping):  # others match no value in a file
            mapping[old] = new & 255  # some hosts use -1 for ignored
    return mapping[table]


def label_meanings(table: np.ndarray, num_classes: int) -> dict[int, int]:
    """The values of a :func:`label_table` that a file may contain, and the label of each.

    Allowed are those of a known class, below ``num_classes``, 254 and 255.
    """
    fits = (table < num_classes) | np.isin(table, (UNKNOWN_LABEL, IGNORE_LABEL))
    return {value: int(table[value]) for value in np.flatnonzero(fits).tolist()}


def _equal_channels(content: bytes) -> np.ndarray:
    """Equal colour channels as one ``(H, W)``; colour pictures as they are.

    OpenCV decodes, because Pillow drops the low byte of 16 bits if there are several channels.
    """
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    colours = picture[..., :3]  # OpenCV returns grey with alpha as four channels
    return colours[..., 0].copy() if np.ptp(colours, axis=-1).max() == 0 else picture


def _eight_bits(picture: np.ndarray, path: str) -> np.ndarray:
    """The picture as uint8; larger values would wrap around to those of other classes."""
    if picture.dtype == np.uint8:
        return picture
    with np.errstate(invalid="ignore"):
        label = picture.astype(np.uint8)
    lost = picture[label != picture]
    if lost.size:
        raise InputError(
            f"label file {path} holds the value {lost.max()}: expected class ids below 256; "
            "convert the labels"
        )
    return label


def _in_words(expected: Mapping[int, int]) -> str:
    """Values a file may contain, neighbours joined: ``0 to 18, 254 (unknown) or 255 (ignored)``."""
    meanings = [(value, _MEANINGS.get(label, "")) for value, label in sorted(expected.items())]
    parts = []
    for (_, meaning), run in groupby(
        enumerate(meanings), key=lambda item: (item[1][0] - item[0], item[1][1])
    ):
        values = [value for _, (value, _) in run]
        first, last = values[0], values[-1]
        parts.append((f"{first} to {last}" if last > first else str(first)) + meaning)
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
