"""Known and unknown classes of any mmpretrain dataset or image folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmpretrain.datasets import BaseDataset

from mmosr.registry import DATASETS
from mmosr.utils import UNKNOWN

from .class_splits import check_classes, load_split
from .host_class import find_class
from .image_sampling import validation_share
from .relabelled_images import RelabelledImages

_LEFT_OUT = -2  # neither known nor unknown


class KnownUnknownClasses(RelabelledImages):
    """Holds classes out; a mixin in front of an mmpretrain dataset: ``class X(..., Host)``.

    The known classes are numbered ``0 .. C-1`` in the order of their ids, whatever order they are
    given in. Training and validation only contain images of known classes; there is no option to
    change that. The test also contains images of unknown classes, with label -1. Images of classes
    that are neither known nor unknown are never used.

    Args:
        role: ``train``, ``val`` (the share of the known training images that is not used in
            training) or ``test``.
        known_classes: Names or ids; default: all that are not unknown.
        unknown_classes: Names or ids; default: all that are not known, or none if neither is given.
        class_split: Identifier of a published split instead of these two, see
            :func:`~mmosr.datasets.class_splits.load_split`. If its unknown classes are from another
            data set, all images here are known and :class:`OpenSetTestData` adds the others.
        trial: Trial of the split.
        val_fraction: Share of each known class's training images reserved for validation. Use the
            same ``val_fraction`` and ``val_seed`` for training and validation: then they share no
            image and together contain all known training images. No effect on tests.
        val_seed: Seed of that share.
        *args, **kwargs: See :class:`RelabelledImages` and the host. The host's own ``split`` (train
            or test files) follows from the role.

    Raises:
        InputError: Classes do not exist, are named twice or are both known and unknown, no class is
            known, a split is made for other classes, a file is listed under both a known and an
            unknown class, or a known class has no images.
    """

    _prefix = "OpenSet"

    def __init__(
        self,
        *args,
        role: str,
        known_classes: Sequence[str | int] | None = None,
        unknown_classes: Sequence[str | int] | None = None,
        class_split: str | None = None,
        trial: int = 0,
        val_fraction: float = 0.0,
        val_seed: int = 0,
        **kwargs,
    ) -> None:
        if class_split is not None and (known_classes, unknown_classes) != (None, None):
            raise self.error(
                "class_split names the classes: leave out known_classes and unknown_classes"
            )
        if role == "val" and not val_fraction:
            raise self.error("role='val' needs val_fraction, the same as in training")
        self.class_split = None if class_split is None else load_split(class_split, trial)
        self._known, self._unknown = known_classes, unknown_classes
        self.val_fraction, self.val_seed = val_fraction, val_seed
        super().__init__(*args, role=role, **kwargs)

    def _resolve(self) -> None:
        """Find the ids of the known and unknown classes, and the names of the known ones."""
        names, split = self._need_classes(), self.class_split
        if split is None:
            known, unknown = self._given_classes()
        else:
            check_classes(split.known_data, names, type(self).__name__)
            known = list(split.known)
            unknown = list(split.unknown) if split.unknown_data == split.known_data else []
        both = sorted(set(known) & set(unknown))
        if both or not known:
            what = ", ".join(names[index] for index in both)
            raise self.error(
                f"{what} cannot be both known and unknown" if both else "no class is known"
            )
        self.known_ids, self.unknown_ids = tuple(known), tuple(unknown)
        self._metainfo["classes"] = tuple(names[index] for index in known)
        self._metainfo["unknown_classes"] = tuple(names[index] for index in unknown)

    def _given_classes(self) -> tuple[list[int], list[int]]:
        def others(ids: list[int]) -> list[int]:
            return [index for index in range(len(self.host_classes)) if index not in ids]

        if self._known is None:
            named = () if self._unknown is None else self._unknown
            unknown = self._class_ids(named, "unknown_classes")
            return others(unknown), unknown
        known = self._class_ids(self._known, "known_classes")
        if self._unknown is None:
            return known, others(known)
        return known, self._class_ids(self._unknown, "unknown_classes")

    def _choose(self, items: list[dict]) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the images that the role uses, and their labels."""
        class_ids = self._labels_of(items)
        meaning = np.full(len(self.host_classes), _LEFT_OUT)
        meaning[list(self.known_ids)] = np.arange(len(self.known_ids))
        meaning[list(self.unknown_ids)] = UNKNOWN
        labels = meaning[class_ids]
        known = labels >= 0
        if self.role == "test":
            shown = labels != _LEFT_OUT
        else:
            self._check_files(items, known)
            shown = known.copy()
            if self.val_fraction:
                reserved = np.zeros_like(known)
                reserved[known] = validation_share(
                    class_ids[known], self.val_fraction, self.val_seed
                )
                shown &= reserved if self.role == "val" else ~reserved
        self._check_all_classes(labels[shown])
        return np.flatnonzero(shown), labels[shown]

    def _check_files(self, items: list[dict], known: np.ndarray) -> None:
        """Check that no image is listed under both a known class and another."""
        paths = [item.get("img_path") for item in items]
        others = {path for path, is_known in zip(paths, known, strict=True) if not is_known}
        for path, is_known in zip(paths, known, strict=True):
            if is_known and path is not None and path in others:
                raise self.error(
                    f"{path} has the label of a known class and of one that is not: "
                    "training would show an unknown image; correct the annotation file"
                )

    def _check_all_classes(self, labels: np.ndarray) -> None:
        names = self._metainfo["classes"]
        empty = [name for label, name in enumerate(names) if label not in labels]
        if empty:
            raise self.error(
                f"role='{self.role}' has no images of {', '.join(empty)}: check "
                "data_root and the classes"
            )


@DATASETS.register_module(name="OpenSetClassificationDataset")
def open_set_classification_dataset(
    host: str | type[BaseDataset] = "CustomDataset", *args, **kwargs
) -> BaseDataset:
    """Known and unknown classes of any mmpretrain dataset: ``mmosr.OpenSetClassificationDataset``.

    Args:
        host: Name of the dataset class in mmpretrain's registry or in mmosr's, or the class; the
            default reads a folder of class folders.
        *args, **kwargs: See :class:`KnownUnknownClasses` and the host.

    Raises:
        InputError: The dataset does not exist or is not for image classification, or see
            :class:`KnownUnknownClasses`.
    """
    cls = find_class(KnownUnknownClasses, host, "OpenSetClassificationDataset")
    return cls(*args, **kwargs)
