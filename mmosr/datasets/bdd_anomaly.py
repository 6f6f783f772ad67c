"""BDD-Anomaly: real streets whose images with a held-out class make the test."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmseg.datasets import BDD100KDataset

from mmosr.registry import DATASETS
from mmosr.utils import InputError

from .held_out import HeldOutClasses

SPLITS = ("train", "val", "test")


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
            img_suffix=".jpg",
            seg_map_suffix="_train_id.png",
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        if osp.isdir(self.data_prefix["img_path"]) and not osp.isfile(self.ann_file):
            raise InputError(
                f"{type(self).__name__}: list of images {self.ann_file} does not exist: run "
                "python tools/dataset_converters/prepare.py bdd_anomaly SRC DST"
            )
        return super().load_data_list()
