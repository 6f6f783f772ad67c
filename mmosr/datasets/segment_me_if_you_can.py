"""The two tracks of SegmentMeIfYouCan (Chan et al., 2021)."""

from __future__ import annotations

import os

from mmosr.registry import DATASETS
from mmosr.utils import InputError

from .anomaly_dataset import AnomalySegDataset, Layout

_WITHHELD = (
    "the labels of the test images are withheld: send your scores to "
    "https://segmentmeifyoucan.com, or test on the validation images"
)


class SegmentMeIfYouCanDataset(AnomalySegDataset):
    """What both tracks share: the layout of the download and the label values.

    ``images/NAME.{jpg,webp,png}`` and ``labels_masks/NAME_labels_semantic.png`` with 0 known,
    1 unknown, 255 ignored; ``*_labels_semantic_color.png`` are pictures of the labels. The download
    also has test images without labels: these are left out.

    Args:
        data_root: Folder of the download.
        split: ``"validation"``; the labels of ``"test"`` are withheld.
        **kwargs: See ``AnomalySegDataset``.

    Raises:
        InputError: The split does not exist, or there are no labels; and see ``AnomalySegDataset``.
    """

    layouts = {"official": Layout("images", "labels_masks", label_ending="_labels_semantic.png")}
    no_labels = _WITHHELD

    def __init__(self, data_root: str | os.PathLike, *, split: str = "validation", **kwargs):
        if split != "validation":
            reason = _WITHHELD if split == "test" else "choose 'validation'"
            raise InputError(f"{type(self).__name__}: split '{split}' cannot be read: {reason}")
        super().__init__(data_root, **kwargs)


@DATASETS.register_module()
class RoadAnomaly21Dataset(SegmentMeIfYouCanDataset):
    """RoadAnomaly21, the anomaly track: 10 validation images with labels, 100 test images.

    Everything that is not a Cityscapes class is unknown, wherever it is in the image.
    Arguments and errors: see ``SegmentMeIfYouCanDataset``.
    """


@DATASETS.register_module()
class RoadObstacle21Dataset(SegmentMeIfYouCanDataset):
    """RoadObstacle21, the obstacle track: 30 validation images with labels, 327 test images.

    Obstacles on the road are unknown, the road is known, and everything else is ignored.
    Arguments and errors: see ``SegmentMeIfYouCanDataset``.
    """
