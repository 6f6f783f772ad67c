"""BDD-Anomaly: real streets whose images with a held-out class make the test."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from mmseg.datasets import BDD100KDataset

from mmosr.registry import DATASETS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .held_out import HeldOutClasses
from .transforms import LoadOpenSetAnnotations

UNKNOWN_IDS = (16, 17, 18)  # train, motorcycle, bicycle
SPLITS = ("train", "val", "test")
_IMAGE, _LABEL = ".jpg", "_train_id.png"


@DATASETS.register_module()
class BDDAnomalyDataset(HeldOutClasses, BDD100KDataset):
    """BDD-Anomaly (Hendrycks et al., Scaling Out-of-Distribution Detection, ICML 2022).

    The images of BDD100K's semantic segmentation that show an unknown class are the test; what
    remains of BDD100K's training and validation images is for training and validation: 6280 / 910
    / 810 images of 720 x 1280. Layout: ``images/{train,val}/NAME.jpg`` and
    ``labels/{train,val}/NAME_train_id.png`` (train ids of Cityscapes, 255 = ignored) of the
    download, and the lists ``{train,val,test}.txt`` that ``tools/dataset_converters/prepare.py``
    writes, each line ``{train,val}/NAME``.

    Args:
        split: ``train``, ``val`` or ``test``.
        unknown_classes: The held-out classes, those that the lists were made for.
        mark_unknown: Label the unknown classes 254 instead of 255. Default: in the test.
        ann_file: Another list than that of the split.
        *args, **kwargs: As ``HeldOutClasses`` and ``BDD100KDataset``.

    Raises:
        InputError: No such split, no list, or as ``HeldOutClasses``.
    """

    def __init__(
        self,
        *args,
        split: str = "test",
        unknown_classes: Sequence[str] = ("train", "motorcycle", "bicycle"),
        mark_unknown: bool | None = None,
        ann_file: str | None = None,
        data_prefix: dict | None = None,
        **kwargs,
    ) -> None:
        if split not in SPLITS:
            raise InputError(
                f"{type(self).__name__}: there is no split '{split}': choose {', '.join(SPLITS)}"
            )
        super().__init__(
            *args,
            ann_file=ann_file or f"{split}.txt",
            data_prefix=data_prefix or dict(img_path="images", seg_map_path="labels"),
            unknown_classes=unknown_classes,
            mark_unknown=split == "test" if mark_unknown is None else mark_unknown,
            img_suffix=_IMAGE,
            seg_map_suffix=_LABEL,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        if osp.isdir(self.data_prefix["img_path"]) and not osp.isfile(self.ann_file):
            raise InputError(
                f"{type(self).__name__}: list of images {self.ann_file} does not exist: run "
                "python tools/dataset_converters/prepare.py bdd_anomaly SRC DST"
            )
        return super().load_data_list()


def split_lists(
    root: str | os.PathLike,
    unknown_ids: Iterable[int] = UNKNOWN_IDS,
    progress: Callable[[Sequence], Iterable] = iter,
) -> dict[str, list[str]]:
    """Which images of BDD100K's semantic segmentation train, validate and test BDD-Anomaly.

    An image with a pixel of an unknown class is for the test, whatever its folder. One label file
    is in memory at a time.

    Args:
        root: Folder with ``images/{train,val}`` and ``labels/{train,val}``.
        unknown_ids: Train ids of the unknown classes. 254 is unknown as well.
        progress: Wraps the list of images to read, for instance ``rich.progress.track``.

    Returns:
        For each split the names ``{train,val}/NAME``, sorted: the lines of ``SPLIT.txt``.

    Raises:
        InputError: A folder is missing or holds no image, an image has no label file or a label
            file no image, a label file holds other values, or a split stays empty.
    """
    root, unknown = Path(root), _checked_ids(unknown_ids)
    names = [name for folder in ("train", "val") for name in _names(root, folder)]
    loader = LoadOpenSetAnnotations(num_classes=len(BDD100KDataset.METAINFO["classes"]))
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name in progress(names):
        item = dict(seg_map_path=str(root / "labels" / f"{name}{_LABEL}"))
        label = loader.transform(dict(item, reduce_zero_label=False, seg_fields=[]))["gt_seg_map"]
        shows_unknown = np.isin(label, [*unknown, UNKNOWN_LABEL]).any()
        lists["test" if shows_unknown else name.split("/")[0]].append(name)
    for split, chosen in lists.items():
        if not chosen:
            raise InputError(
                f"{root}: no image is left for the split '{split}': of {len(names)} images "
                f"{len(lists['test'])} show one of the unknown train ids {sorted(unknown)}"
            )
    return lists


def _checked_ids(unknown_ids: Iterable[int]) -> set[int]:
    unknown, last = set(unknown_ids), len(BDD100KDataset.METAINFO["classes"]) - 1
    wrong = sorted(unknown - set(range(last + 1)))
    if wrong or not unknown:
        raise InputError(
            f"unknown train ids {wrong}: expected at least one, each from 0 to {last}, "
            f"not {IGNORE_LABEL} (ignored)"
        )
    return unknown


def _names(root: Path, folder: str) -> list[str]:
    """Names ``FOLDER/NAME`` of the images, each of which has its label file."""
    images = {p.name.removesuffix(_IMAGE) for p in (root / "images" / folder).glob(f"*{_IMAGE}")}
    labels = {p.name.removesuffix(_LABEL) for p in (root / "labels" / folder).glob(f"*{_LABEL}")}
    if not images:
        raise InputError(
            f"folder {root / 'images' / folder} does not exist or holds no '*{_IMAGE}' image: see "
            "docs/data.md for how to obtain the data"
        )
    for name in sorted(images - labels):
        image, label = (root / kind / folder / name for kind in ("images", "labels"))
        raise InputError(f"image {image}{_IMAGE} has no label file {label}{_LABEL}")
    for name in sorted(labels - images):
        image, label = (root / kind / folder / name for kind in ("images", "labels"))
        raise InputError(f"label file {label}{_LABEL} has no image {image}{_IMAGE}")
    return sorted(f"{folder}/{name}" for name in images)
