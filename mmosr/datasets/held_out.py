"""Known, unknown and ignored classes of any mmseg dataset."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS as MMSEG_DATASETS

from mmosr.registry import DATASETS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError, check_choice

from .host_class import InFront, class_in_front, find_class


class HeldOutClasses(InFront):
    """Holds classes out; a mixin in front of an mmseg dataset: ``class X(HeldOutClasses, Host)``.

    The known classes are all others, renumbered ``0 .. C-1`` in their old order. Pixels of held-out
    classes become 255 (ignored) for training and, with ``mark_unknown``, 254 (unknown) for tests:
    unknown and unlabelled pixels never get mixed up. Class names, suffixes, ``reduce_zero_label``
    and the list of images stay the host's. Class ``i`` of the host's ``METAINFO`` is ``i`` in the
    label files, or ``i + 1`` with ``reduce_zero_label``.

    Args:
        unknown_classes: Names held out of training.
        ignored_classes: Names that are ignored in both training and test, e.g. the classes held out
            as test unknowns while settings are chosen on other held-out classes.
        mark_unknown: Label the unknown classes 254 instead of 255.
        *args, **kwargs: See the host.

    Raises:
        InputError: A name is not a class of the dataset or is held out twice, no known class is
            left, a folder or list is missing or has no images, a listed image does not exist, or an
            image has no label file.
    """

    _prefix, _base, _hosts = "HeldOut", BaseSegDataset, MMSEG_DATASETS
    _kind = "mmseg dataset for semantic segmentation"

    # Values of the label files that are not classes: an object of no class, and what is ignored; by
    # default 255, and 0 with reduce_zero_label.
    unknown_value: int = UNKNOWN_LABEL
    ignored_values: tuple[int, ...] | None = None

    def __init__(
        self,
        *args,
        unknown_classes: Sequence[str] = (),
        ignored_classes: Sequence[str] = (),
        mark_unknown: bool = False,
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        self.mark_unknown = mark_unknown
        self.unknown_classes = class_names(unknown_classes)
        metainfo = self._hold_out(dict(metainfo or {}), class_names(ignored_classes))
        super().__init__(*args, metainfo=metainfo, **kwargs)

    def _hold_out(self, metainfo: dict, ignored: tuple[str, ...]) -> dict:
        """The meta information with the known classes only, and the checks of all names."""
        classes = tuple(self._load_metainfo(metainfo).get("classes", ()))
        # Names of the ids in the label files.
        self.file_classes = tuple(self.METAINFO.get("classes", classes))
        if not classes:
            raise self.error("no classes are set: set metainfo=dict(classes=...)")
        both = sorted(set(self.unknown_classes) & set(ignored))
        if both:
            raise self.error(
                f"{', '.join(both)} cannot be both unknown and ignored: take it out of "
                "unknown_classes or of ignored_classes"
            )
        held_out = {*self.unknown_classes, *ignored}
        known = tuple(label for label in classes if label not in held_out)
        wrong = sorted(held_out - set(self.file_classes))
        if wrong or not known:
            raise self.error(
                f"{', '.join(wrong) or 'every class'} cannot be held out; the classes are "
                f"{', '.join(self.file_classes)}"
            )
        if not held_out:
            return metainfo
        if len(metainfo.get("palette", ())) == len(classes):
            colours = zip(classes, metainfo["palette"], strict=True)
            metainfo["palette"] = [colour for label, colour in colours if label in known]
        return dict(metainfo, classes=known)

    def load_data_list(self) -> list[dict]:
        known = self.known_classes
        self._check_folders()
        data_list = super().load_data_list()
        if self.known_classes != known:  # some hosts read the names from their files
            names = ", ".join(self.known_classes)
            raise self.error(f"the data names its own classes, {names}: they cannot be held out")
        if not data_list:
            where = f"list {self.ann_file}" if self.ann_file else f"folder {self._image_dir}"
            raise self.error(
                f"{where} has no '*{self.img_suffix}' images: check "
                "data_root, data_prefix and img_suffix"
            )
        self._map_unknown()
        for item in data_list:
            item.update(
                num_classes=len(known), label_map=self.label_map, label_values=self.label_values
            )
            self._check_files(item)
        return data_list

    @property
    def _image_dir(self) -> str:
        return self.data_prefix.get("img_path") or self.data_root or ""

    def _check_folders(self) -> None:
        if super().load_data_list.__func__ is not BaseSegDataset.load_data_list:
            return  # only the host knows where it looks
        if not osp.isdir(self._image_dir):
            raise self.error(
                f"folder '{self._image_dir}' does not exist: set data_root, "
                "and see docs/data.md for how to obtain the data"
            )
        if self.ann_file and not osp.exists(self.ann_file):
            raise self.error(
                f"list of images {self.ann_file} does not exist: check data_root and ann_file"
            )

    def _check_files(self, item: dict) -> None:
        if self.ann_file and not osp.exists(item["img_path"]):
            raise InputError(
                f"image {item['img_path']} does not exist, but {self.ann_file} names it: check "
                "data_prefix and img_suffix, which is added to each line of a list"
            )
        path = item.get("seg_map_path")
        if path is not None and not osp.exists(path):
            raise InputError(f"image {item['img_path']} has no label file {path}")

    def _map_unknown(self) -> None:
        """Map unknown pixels to 254 in tests and to 255 in training."""
        target = UNKNOWN_LABEL if self.mark_unknown else IGNORE_LABEL
        known, shift = self.known_classes, int(self.reduce_zero_label)
        meanings = {name: index for index, name in enumerate(known)}
        meanings.update(dict.fromkeys(self.unknown_classes, target))
        labels = [meanings.get(name, IGNORE_LABEL) for name in self.file_classes]
        # The host reduces before it maps.
        self.label_map = {**dict(enumerate(labels)), self.unknown_value - shift: target}
        self._metainfo["label_map"] = self.label_map
        self.label_values = {index + shift: label for index, label in enumerate(labels)}
        self.label_values[self.unknown_value] = target
        ignored = self.ignored_values
        if ignored is None:
            ignored = (0, IGNORE_LABEL) if self.reduce_zero_label else (IGNORE_LABEL,)
        self.label_values.update(dict.fromkeys(ignored, IGNORE_LABEL))

    @property
    def known_classes(self) -> tuple[str, ...]:
        """Names of the known classes, by label."""
        return tuple(self.metainfo["classes"])


class SplitClasses(HeldOutClasses):
    """:class:`HeldOutClasses` for a data set with its own splits.

    Args:
        split: One of ``splits``.
        mark_unknown: Label the unknown classes 254 instead of 255. Default: in the test.
        *args, **kwargs: As :class:`HeldOutClasses` and the host, instead of those of the split,
            which also replace None, an empty text and an empty dict.

    Raises:
        InputError: The split does not exist, or see :class:`HeldOutClasses`.
    """

    #: Arguments of each split.
    splits: Mapping[str, Mapping]

    def __init__(
        self, *args, split: str = "test", mark_unknown: bool | None = None, **kwargs
    ) -> None:
        check_choice(type(self).__name__, "split", split, self.splits)
        mark_unknown = split == "test" if mark_unknown is None else mark_unknown
        for name, value in self.splits[split].items():
            if kwargs.get(name) in (None, "", {}):
                kwargs[name] = value
        super().__init__(*args, mark_unknown=mark_unknown, **kwargs)


def class_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Class names as a tuple; a single name may be given without brackets."""
    return (classes,) if isinstance(classes, str) else tuple(classes)


def held_out_class(host: type[BaseSegDataset]) -> type[BaseSegDataset]:
    """The class :class:`HeldOutClasses` in front of ``host``; every call returns the same class.

    Its objects can be pickled. To define such a class in code, derive from both instead.
    """
    return class_in_front(HeldOutClasses, host)


@DATASETS.register_module(name="HeldOutDataset")
def held_out_dataset(host: str | type[BaseSegDataset], *args, **kwargs) -> BaseSegDataset:
    """Any mmseg dataset with classes held out, ``type='mmosr.HeldOutDataset'`` in a config.

    Args:
        host: Name of the dataset class in mmseg's registry or in mmosr's, or the class.
        *args, **kwargs: See :class:`HeldOutClasses` and the host.

    Raises:
        InputError: The dataset does not exist, or is not for semantic segmentation.
    """
    return find_class(HeldOutClasses, host, "HeldOutDataset")(*args, **kwargs)
