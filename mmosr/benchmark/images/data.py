"""The data of a trial: built, checked against the protocol, and counted."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence

from mmengine.config import Config
from mmengine.registry import DATASETS

from mmosr.config.checks import check_threshold_data, check_training_data
from mmosr.config.loading import set_scope
from mmosr.datasets.shared_images import check_apart, image_identity
from mmosr.runs.hashes import content_hash
from mmosr.utils import UNKNOWN

from .config import UnfitDataError
from .protocols import ImageProtocol


def describe_data(cfg: Config, protocol: ImageProtocol) -> dict:
    """Build the training, validation and test data, check them and describe them.

    Args:
        cfg: Config of the trial.
        protocol: Defines what is known and unknown.

    Returns:
        ``known_classes`` by label, and for ``train``, ``val`` and ``test`` the numbers of
        ``known`` and ``unknown`` images and ``images_sha256``, the hash of the list of images and
        labels: files by their names, pictures held by the data set itself by their pixels.

    Raises:
        UnfitDataError: Training or validation has unknown images or the test has none, or classes
            differ between the three or from the protocol.
        InputError: Data are missing, training or validation shows the test images of known
            classes, or two of the three share images, see
            :func:`~mmosr.datasets.shared_images.check_apart`.
    """
    set_scope(cfg, "mmpretrain")
    classes, parts, images = None, {}, {}
    for part in ("train", "val", "test"):
        dataset = DATASETS.build(copy.deepcopy(cfg[f"{part}_dataloader"].dataset))
        found = dataset.metainfo.get("classes")
        if classes is not None and found != classes:
            raise UnfitDataError(
                f"the {part} data have the classes {found}, but training has {classes}"
            )
        classes = found
        items = [dataset.get_data_info(index) for index in range(len(dataset))]
        parts[part], images[part] = _count(items), [image_identity(item) for item in items]
        unknown = parts[part]["unknown"]
        if unknown and part != "test":
            raise UnfitDataError(
                f"the {part} data show {unknown} unknown images, which only the test may show: use "
                "mmosr.OpenSetClassificationDataset"
            )
        # Only known images, but perhaps the test's.
        if part == "train":
            check_training_data(cfg)
        elif part == "val":
            check_threshold_data(cfg)
    known, unknown = parts["test"]["known"], parts["test"]["unknown"]
    if not unknown:
        raise UnfitDataError("the test data show no unknown image: see docs/image_data.md")
    if len(classes or ()) != protocol.num_known:
        raise UnfitDataError(
            f"the data have {len(classes or ())} known classes, but protocol "
            f"{protocol.identifier} has {protocol.num_known}"
        )
    if protocol.ratio is not None and unknown != round(protocol.ratio * known):
        raise UnfitDataError(
            f"the test data show {known} known and {unknown} unknown images, but protocol "
            f"{protocol.identifier} needs ratio={protocol.ratio:g}, see mmosr.OpenSetTestData"
        )
    check_apart(images)
    return {"known_classes": list(classes), **parts}


def _count(items: Sequence[Mapping]) -> dict:
    unknown = sum(int(item["gt_label"]) == UNKNOWN for item in items)
    names = [[_image_name(item), int(item["gt_label"])] for item in items]
    return {"known": len(items) - unknown, "unknown": unknown, "images_sha256": content_hash(names)}


def _image_name(item: Mapping) -> str:
    """What identifies an image, wherever the data are stored.

    Only the end of its path, so that the data may move between two runs.
    """
    if item.get("img_path") is not None:
        return os.sep.join(str(item["img_path"]).split(os.sep)[-3:])
    return image_identity(item).hex()
