"""StreetHazards: rendered streets with anomalous objects, and classes for training."""

from __future__ import annotations

from mmseg.datasets import BaseSegDataset

from mmosr.registry import DATASETS

from .held_out import SplitClasses

_COLOURS = {
    "unlabeled": [0, 0, 0],
    "building": [70, 70, 70],
    "fence": [190, 153, 153],
    "other": [250, 170, 160],
    "pedestrian": [220, 20, 60],
    "pole": [153, 153, 153],
    "road line": [157, 234, 50],
    "road": [128, 64, 128],
    "sidewalk": [244, 35, 232],
    "vegetation": [107, 142, 35],
    "car": [0, 0, 142],
    "wall": [102, 102, 156],
    "traffic sign": [220, 220, 0],
}


@DATASETS.register_module()
class StreetHazardsDataset(SplitClasses, BaseSegDataset):
    """StreetHazards (Hendrycks et al., Scaling Out-of-Distribution Detection, ICML 2022).

    5125 / 1031 / 1500 images of 720 x 1280; anomalies are only in the test images. Layout, as
    ``streethazards_{train,test}.tar`` unpack in one folder:
    ``train/{images,annotations}/{training,validation}/TOWN/N.png`` and
    ``test/{images,annotations}/test/TOWN/N.png``. The label files contain 1 .. 13, the classes, and
    14, the anomaly; any other value is an error. "unlabeled" (the sky, mostly) is a class, as in
    the authors' evaluation; ``ignored_classes="unlabeled"`` leaves the 12 classes that some papers
    use.

    Args:
        split: ``train``, ``val`` or ``test``.
        data_prefix: Folders other than those of the split.
        *args, **kwargs: See ``SplitClasses`` and ``BaseSegDataset``.

    Raises:
        InputError: See ``SplitClasses``.
    """

    METAINFO = dict(classes=tuple(_COLOURS), palette=list(_COLOURS.values()))
    splits = {
        split: dict(
            data_prefix=dict(
                img_path=f"{download}/images/{folder}",
                seg_map_path=f"{download}/annotations/{folder}",
            ),
            img_suffix=".png",
            seg_map_suffix=".png",
            reduce_zero_label=True,
        )
        for split, download, folder in (
            ("train", "train", "training"),
            ("val", "train", "validation"),
            ("test", "test", "test"),
        )
    }
    unknown_value, ignored_values = 14, ()
