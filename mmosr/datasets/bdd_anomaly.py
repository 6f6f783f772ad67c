"""BDD-Anomaly: real streets, tested on the images with a held-out class."""

from __future__ import annotations

import os.path as osp

from mmseg.datasets import BDD100KDataset

from mmosr.registry import DATASETS

from .held_out import SplitClasses

SPLITS = ("train", "val", "test")


@DATASETS.register_module()
class BDDAnomalyDataset(SplitClasses, BDD100KDataset):
    """BDD-Anomaly (Hendrycks et al., Scaling Out-of-Distribution Detection, ICML 2022).

    The images of BDD100K's semantic segmentation that show an unknown class are the test set; the
    remaining training and validation images of BDD100K are for training and validation: 6280 / 910
    / 810 images of 720 x 1280. Layout: ``images/{train,val}/NAME.jpg`` and
    ``labels/{train,val}/NAME_train_id.png`` (train ids of Cityscapes, 255 = ignored) from the
    download, and the lists ``{train,val,test}.txt`` that ``tools/dataset_converters/prepare.py``
    writes, each line ``{train,val}/NAME``.

    Args:
        split: ``train``, ``val`` or ``test``.
        unknown_classes: The held-out classes that the lists were made for. Default: train,
            motorcycle and bicycle.
        ann_file: A list other than that of the split.
        *args, **kwargs: See ``SplitClasses`` and ``BDD100KDataset``.

    Raises:
        InputError: The list is missing, or see ``SplitClasses``.
    """

    splits = {
        split: dict(
            ann_file=f"{split}.txt",
            data_prefix=dict(img_path="images", seg_map_path="labels"),
            unknown_classes=("train", "motorcycle", "bicycle"),
            img_suffix=".jpg",
            seg_map_suffix="_train_id.png",
        )
        for split in SPLITS
    }

    def load_data_list(self) -> list[dict]:
        if osp.isdir(self.data_prefix["img_path"]) and not osp.isfile(self.ann_file):
            raise self.error(
                f"list of images {self.ann_file} does not exist: run "
                "python tools/dataset_converters/prepare.py bdd_anomaly SRC DST"
            )
        return super().load_data_list()
