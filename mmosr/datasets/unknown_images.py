"""Unknown test images from a data set of their own, and their union with known ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import ConcatDataset
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmpretrain.datasets import BaseDataset

from mmosr.registry import DATASETS
from mmosr.utils import UNKNOWN, InputError

from .class_splits import check_classes, load_split
from .host_class import find_class
from .image_sampling import sample_images
from .relabelled_images import RelabelledImages
from .synthetic_images import NoiseImages


class AllUnknown(RelabelledImages):
    """Labels every image -1; a mixin in front of an mmpretrain dataset. For tests only.

    Args:
        unknown_classes: Names or ids of the classes to use; default: all, and then the host need
            not know any (``CustomDataset`` with ``with_label=False``: a folder of images).
        class_split: Identifier of a published split whose unknown classes are used instead.
        trial: Trial of the split.
        num: How many images, drawn without replacement; default: all.
        seed: Seed of that draw.
        *args, **kwargs: See :class:`RelabelledImages` and the host; the role is ``test``.

    Raises:
        InputError: Classes do not exist, a split is made for other classes, there are fewer images
            than ``num``, or the role is not ``test``.
    """

    _prefix = "Unknown"

    def __init__(
        self,
        *args,
        unknown_classes: Sequence[str | int] | None = None,
        class_split: str | None = None,
        trial: int = 0,
        num: int | None = None,
        seed: int = 0,
        role: str = "test",
        **kwargs,
    ) -> None:
        if role != "test":
            raise self.error(
                f"role='{role}': unknown images are for tests, never for training or validation"
            )
        if class_split is not None and unknown_classes is not None:
            raise self.error("class_split names the classes already")
        self.class_split = None if class_split is None else load_split(class_split, trial)
        self._unknown, self.num, self.seed = unknown_classes, num, seed
        super().__init__(*args, role=role, **kwargs)

    def _resolve(self) -> None:
        split = self.class_split
        if split is not None:
            check_classes(split.unknown_data, self._need_classes(), type(self).__name__)
            self.unknown_ids = split.unknown
        elif self._unknown is not None:
            self.unknown_ids = tuple(self._class_ids(self._unknown, "unknown_classes"))
        else:
            self.unknown_ids = None
        self._metainfo["classes"] = ()

    def _choose(self, items: list[dict]) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the images that are used, and their labels."""
        chosen = np.arange(len(items))
        if self.unknown_ids is not None:
            chosen = np.flatnonzero(np.isin(self._labels_of(items), self.unknown_ids))
        if not chosen.size:
            raise self.error("there are no images of the unknown classes")
        if self.num is not None:
            chosen = chosen[sample_images(len(chosen), self.num, self.seed)]
        return chosen, np.full(len(chosen), UNKNOWN)


@DATASETS.register_module(name="UnknownImages")
def unknown_images(host: str | type[BaseDataset] = "CustomDataset", *args, **kwargs) -> BaseDataset:
    """A whole data set, or classes of it, as unknown test images: ``mmosr.UnknownImages``.

    Args:
        host: Name of the dataset class in mmpretrain's registry or in mmosr's, or the class; the
            default reads a folder.
        *args, **kwargs: See :class:`AllUnknown` and the host.

    Raises:
        InputError: The dataset does not exist or is not for image classification, or see
            :class:`AllUnknown`.
    """
    return find_class(AllUnknown, host, "UnknownImages")(*args, **kwargs)


@DATASETS.register_module()
class OpenSetTestData(ConcatDataset):
    """Known test images from one data set, then unknown ones from another.

    Args:
        known: Config of the known images: any dataset of labels ``0 .. C-1``, e.g.
            ``mmosr.OpenSetClassificationDataset`` with ``role='test'``. Class names and all other
            meta information are taken from it.
        unknown: Config of the unknown images: ``mmosr.UnknownImages`` or ``mmosr.NoiseImages``.
        ratio: Unknown images per known one, e.g. 1 for the protocols with 1:1; default: all unknown
            images. Drawn like ``num`` of :class:`AllUnknown`.
        seed: Seed of that draw.
        pipeline: Pipeline of both; a config with its own pipeline keeps it.

    Raises:
        InputError: A part is not what it should be, or there are fewer unknown images than the
            ratio needs.
    """

    def __init__(
        self,
        known: dict,
        unknown: dict,
        ratio: float | None = None,
        seed: int = 0,
        pipeline: Sequence[dict] | None = None,
    ) -> None:
        shared = {} if pipeline is None else dict(pipeline=pipeline)
        first = MMENGINE_DATASETS.build({**shared, **known})
        second = {**shared, **unknown}
        if ratio is not None:
            if "num" in unknown:
                raise InputError("OpenSetTestData: give ratio, or num of the unknown, not both")
            count = int((first.get_gt_labels() >= 0).sum())
            second.update(num=round(ratio * count), seed=seed)
        second = MMENGINE_DATASETS.build(second)
        if not isinstance(second, AllUnknown | NoiseImages):
            raise InputError(
                f"OpenSetTestData: unknown is {type(second).__name__}, whose labels are not -1: "
                "use mmosr.UnknownImages or mmosr.NoiseImages"
            )
        keys = [*first.metainfo, *second.metainfo]
        super().__init__([first, second], ignore_keys=keys)
