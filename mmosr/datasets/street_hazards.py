"""StreetHazards: rendered streets with anomalous objects, and classes to train on."""

from __future__ import annotations

from mmseg.datasets import BaseSegDataset

from mmosr.registry import DATASETS
from mmosr.utils import InputError

from .held_out import HeldOutClasses

# Folder of the download, and of a split below its images and annotations.
_FOLDERS = {
    "train": ("train", "training"),
    "val": ("train", "validation"),
    "test": ("test", "test"),
}


@DATASETS.register_module()
class StreetHazardsDataset(HeldOutClasses, BaseSegDataset):
    """StreetHazards (Hendrycks et al., Scaling Out-of-Distribution Detection, ICML 2022).

    5125 / 1031 / 1500 images of 720 x 1280; anomalies stand in the test images alone. Layout, as
    ``streethazards_{train,test}.tar`` unpack in one folder:
    ``train/{images,annotations}/{training,validation}/TOWN/N.png`` and
    ``test/{images,annotations}/test/TOWN/N.png``. The label files hold 1 .. 13, the classes, and
    14, the anomaly; any other value is an error. "unlabeled" (the sky, mostly) is a class, as in
    the authors' evaluation; ``ignored_classes="unlabeled"`` leaves the 12 that some papers use.

    Args:
        split: ``train``, ``val`` or ``test``.
        mark_unknown: Label anomalies 254 instead of 255. Default: in the test.
        data_prefix: Other folders than those of the split.
        *args, **kwargs: As ``HeldOutClasses`` and ``BaseSegDataset``.

    Raises:
        InputError: No such split, or as ``HeldOutClasses``.
    """

    METAINFO = dict(
        classes=(
            "unlabeled",
            "building",
            "fence",
            "other",
            "pedestrian",
            "pole",
            "road line",
            "road",
            "sidewalk",
            "vegetation",
            "car",
            "wall",
            "traffic sign",
        ),
        palette=[
            [0, 0, 0],
            [70, 70, 70],
            [190, 153, 153],
            [250, 170, 160],
            [220, 20, 60],
            [153, 153, 153],
            [157, 234, 50],
            [128, 64, 128],
            [244, 35, 232],
            [107, 142, 35],
            [0, 0, 142],
            [102, 102, 156],
            [220, 220, 0],
        ],
    )
    unknown_value, ignored_values = 14, ()

    def __init__(
        self,
        *args,
        split: str = "test",
        mark_unknown: bool | None = None,
        data_prefix: dict | None = None,
        **kwargs,
    ) -> None:
        if split not in _FOLDERS:
            raise InputError(
                f"{type(self).__name__}: there is no split '{split}': choose {', '.join(_FOLDERS)}"
            )
        download, folder = _FOLDERS[split]
        super().__init__(
            *args,
            data_prefix=data_prefix
            or dict(
                img_path=f"{download}/images/{folder}",
                seg_map_path=f"{download}/annotations/{folder}",
            ),
            mark_unknown=split == "test" if mark_unknown is None else mark_unknown,
            img_suffix=".png",
            seg_map_suffix=".png",
            reduce_zero_label=True,
            **kwargs,
        )
