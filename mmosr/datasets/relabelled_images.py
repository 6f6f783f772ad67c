"""What the known/unknown views of an mmpretrain dataset share."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from mmpretrain.datasets import BaseDataset, ImageNet
from mmpretrain.registry import DATASETS as MMPRETRAIN_DATASETS

from mmosr.utils import check_choice

from .host_class import InFront

ROLES = ("train", "val", "test")


class RelabelledImages(InFront):
    """Selects images of an mmpretrain dataset and relabels them; a mixin in front of the host.

    A derived class defines the selection in ``_resolve`` and ``_choose``. Each item keeps the id
    that the host gave its class as ``class_id``.

    Args:
        role: ``train``, ``val`` or ``test``. The host reads its test files for ``test`` and its
            training files otherwise, if it has a ``split`` for this (ImageNet tests on ``val``).
        lazy_init: See mmengine.
        test_mode: Follows from the role; may be given if it agrees.
        *args, **kwargs: See the host.

    Raises:
        InputError: The role is invalid, test files are requested in training, data is missing, or
            labels are not one class id per image.
    """

    _base, _hosts = BaseDataset, MMPRETRAIN_DATASETS
    _kind = "mmpretrain dataset for image classification"

    def __init__(
        self,
        *args,
        role: str,
        lazy_init: bool = False,
        test_mode: bool | None = None,
        **kwargs,
    ) -> None:
        check_choice(type(self).__name__, "role", role, ROLES)
        if test_mode not in (None, role != "train"):
            raise self.error(f"test_mode={test_mode} contradicts role='{role}': leave it out")
        self.role = role
        parameters = inspect.signature(super().__init__)
        given = parameters.bind_partial(*args, **kwargs).arguments
        if "split" in parameters.parameters:
            split = self._host_split(given.get("split"), parameters.parameters["split"].default)
            if "split" not in given:
                kwargs["split"] = split
        # MNIST chooses its files by test_mode; the data must not load before the classes are known.
        super().__init__(*args, test_mode=role == "test", lazy_init=True, **kwargs)
        self.host_classes = self._find_classes()
        if self.host_classes is not None:
            self._resolve()
        if not lazy_init:
            self.full_init()

    def _host_split(self, given: str | None, default: str) -> str:
        """The files of the host that belong to the role."""
        test = "val" if isinstance(self, ImageNet) else "test"
        if self.role == "test":
            return given or test
        if given in ("test", test):
            raise self.error(
                f"split='{given}' contains test images: role='{self.role}' never uses "
                "them; leave split out"
            )
        return given or default or "train"

    def _find_classes(self) -> tuple[str, ...] | None:
        """Names of the host's classes by id; None if it does not know them (yet)."""
        classes = self._metainfo.get("classes")
        if classes is None and "categories" in self._metainfo:  # OpenMMLab 2.0 annotations
            categories = sorted(self._metainfo["categories"], key=lambda entry: entry["id"])
            classes = [entry["category_name"] for entry in categories]
        return tuple(classes) if classes is not None else None

    def load_data_list(self) -> list[dict]:
        items = self._load_host()
        if not items:
            raise self.error("the data set has no images: check data_root")
        self.host_classes = self._find_classes()
        self._resolve()
        chosen, labels = self._choose(items)
        self.test_mode = self.role != "train"
        return [
            dict(items[index], gt_label=int(label), class_id=items[index].get("gt_label"))
            for index, label in zip(chosen, labels, strict=True)
        ]

    def _load_host(self) -> list[dict]:
        """The host's own list, read with the host's own classes."""
        if self.host_classes is not None:
            self._metainfo["classes"] = self.host_classes
        try:
            return super().load_data_list()
        except (AssertionError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise self.error(
                f"{reason}: check data_root; docs/image_data.md says how to obtain the data"
            ) from error

    def _labels_of(self, items: Sequence[dict]) -> np.ndarray:
        """Class ids of the host ``(N,)``, int64; each item gets its own as a plain int."""
        count = len(self.host_classes)
        for item in items:
            where = item.get("img_path", "an image")
            try:
                label = operator.index(item["gt_label"])
            except (KeyError, TypeError):
                raise self.error(
                    f"{where} has no single class id as its label: classes cannot "
                    "be held out of such data"
                ) from None
            if not 0 <= label < count:
                raise self.error(
                    f"{where} has label {label}, but there are {count} classes: "
                    "check the annotation file and metainfo=dict(classes=...)"
                )
            item["gt_label"] = label
        return np.array([item["gt_label"] for item in items], np.int64)

    def _need_classes(self) -> tuple[str, ...]:
        if self.host_classes is None:
            raise self.error("the data has no class names: set metainfo=dict(classes=[...])")
        return self.host_classes

    def _class_ids(self, classes: Sequence[str | int] | str | int, argument: str) -> list[int]:
        """Ids of classes given by name or id, ascending; a single one needs no brackets."""
        names = self._need_classes()
        classes = [classes] if isinstance(classes, str | Integral) else list(classes)
        ids = []
        for entry in classes:
            is_id = isinstance(entry, Integral) and 0 <= entry < len(names)
            if not is_id and entry not in names:
                raise self.error(
                    f"{argument} names {entry!r}, which is not a class; the classes "
                    f"are {', '.join(names)} (ids 0 to {len(names) - 1})"
                )
            ids.append(names.index(entry) if isinstance(entry, str) else int(entry))
        twice = sorted({names[index] for index in ids if ids.count(index) > 1})
        if twice:
            raise self.error(f"{argument} names {', '.join(twice)} twice")
        return sorted(ids)
