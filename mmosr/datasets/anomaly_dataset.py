"""Benchmarks whose labels only say known, unknown or ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg.datasets import BaseSegDataset

from mmosr.registry import DATASETS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError, check_choice
from mmosr.utils.errors import some

KNOWN_LABEL = 0
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# Coloured label pictures are stored next to the labels: "X_labels_semantic_color.png", but not
# "colorado".
_COLOUR = re.compile(r"(?<![a-z])colou?r(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where the images and labels of one layout lie, below the root.

    An image and a label belong together if their paths below the two folders differ only in the
    endings.

    Args:
        images: Folder of the images; the root itself when empty.
        labels: Folder of the labels.
        image_ending: How the names of the images end, before the extension.
        label_ending: How the names of the labels end, with the extension.
    """

    images: str
    labels: str
    image_ending: str = ""
    label_ending: str = ".png"


#: Layouts into which other projects re-pack the benchmarks.
REPACKED = {
    "original+labels": Layout("original", "labels"),  # SynBoost, PEBAL, RPL
    "images+labels": Layout("images", "labels"),
    "images+labels_masks": Layout("images", "labels_masks"),  # Mask2Anomaly
}


@DATASETS.register_module()
class AnomalySegDataset(BaseSegDataset):
    """A benchmark of anomaly segmentation: each pixel is known, unknown or ignored.

    The labels become 0 (known), 254 (unknown) and 255 (ignored). The images are found through the
    label files, so an image without labels is never tested on made-up labels. Extensions are read
    from disk in upper or lower case; hidden files and colour pictures of labels are left out.
    A subclass defines ``layouts`` and ``label_values``, or overrides :meth:`find_pairs`.

    Args:
        data_root: Folder of the data; ``~`` is the home folder.
        layout: Name of the layout in ``layouts``. Default: detected from what is on disk.
        pipeline, test_mode, lazy_init, indices, serialize_data, max_refetch: See
            ``BaseSegDataset``.

    Raises:
        InputError: The folder is missing, has no labels or two layouts at once, or a label has no
            image or several. A label value that is not in ``label_values`` is rejected when
            ``LoadOpenSetAnnotations`` reads the label.
    """

    METAINFO = dict(classes=("known",), palette=[[128, 64, 128]], anomaly_only=True)

    #: Layouts to look for, by name.
    layouts: Mapping[str, Layout] = REPACKED
    #: Each value that a label file may contain, and the label it stands for.
    label_values: Mapping[int, int] = {0: KNOWN_LABEL, 1: UNKNOWN_LABEL, 255: IGNORE_LABEL}
    #: Message if there are no labels at all.
    no_labels = "download them"

    def __init__(
        self,
        data_root: str | os.PathLike,
        *,
        layout: str | None = None,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        max_refetch: int = 1000,
    ) -> None:
        check_choice(type(self).__name__, "layout", layout, [None, *self.layouts])
        self.layout = layout
        super().__init__(
            data_root=os.path.expanduser(data_root),
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            indices=indices,
            serialize_data=serialize_data,
            max_refetch=max_refetch,
        )

    @property
    def root(self) -> Path:
        """Folder of the data."""
        return Path(self.data_root)

    def load_data_list(self) -> list[dict]:
        if not self.root.is_dir():
            raise self.error(f"folder '{self.root}' does not exist: set data_root")
        pairs = sorted(self.find_pairs(), key=lambda pair: pair[1])
        self.label_map = dict(self.label_values)
        self._metainfo["label_map"] = self.label_map
        return [
            dict(
                img_path=image,
                seg_map_path=label,
                label_map=self.label_map,
                label_values=self.label_map,
                num_classes=1,
                reduce_zero_label=False,
                seg_fields=[],
            )
            for image, label in pairs
        ]

    def find_pairs(self) -> list[tuple[str, str]]:
        """Paths ``(image, label)`` of the benchmark, found through the label files; at least one.

        Raises:
            InputError: See the class.
        """
        return self.pair(self.find_layout())

    def pair(self, labels: Mapping[str, Path]) -> list[tuple[str, str]]:
        """Find the image of each label file in the image folder of the layout."""
        layout = self.layouts[self.layout]
        folder = self.root / layout.images
        return self.match(labels, find_images(folder, layout.image_ending), folder)

    def find_layout(self) -> dict[str, Path]:
        """Set ``layout`` to the one on disk; return its label files by the key of their images.

        Raises:
            InputError: There are no label files, no image folder, or two layouts.
        """
        names = list(self.layouts) if self.layout is None else [self.layout]
        labels = {name: self.labels_of(name) for name in names}
        labelled = [name for name in names if labels[name]]
        found = [name for name in labelled if (self.root / self.layouts[name].images).is_dir()]
        if not labelled:
            places = [self.layouts[name] for name in names]
            expected = " or ".join(str(Path(p.labels, f"*{p.label_ending}")) for p in places)
            raise self.error(
                f"folder '{self.root}' has no label files ({expected}): labels are missing or "
                f"withheld, and none are made up: {self.no_labels}"
            )
        if not found:
            folders = " or ".join(str(self.root / self.layouts[name].images) for name in labelled)
            raise self.error(f"the image folder is missing: expected {folders}")
        if len(found) > 1:
            raise self.error(
                f"folder '{self.root}' has labels in the layouts {' and '.join(found)}: "
                f"choose one, such as layout='{found[0]}', or remove the others"
            )
        self.layout = found[0]
        return labels[self.layout]

    def labels_of(self, name: str) -> dict[str, Path]:
        """Label files of a layout by the key of their images."""
        layout = self.layouts[name]
        return find_labels(self.root / layout.labels, layout.label_ending)

    def match(
        self,
        labels: Mapping[str, Path],
        images: Mapping[str, Sequence[Path]],
        folder: Path,
        fix: str = "add the images",
    ) -> list[tuple[str, str]]:
        """Pair labels and images with equal keys.

        Args:
            labels: Label file per key.
            images: Image files per key.
            folder: Where the images were searched for.
            fix: What to do if some are missing.

        Raises:
            InputError: A label has no image, or more than one.
        """
        ending = self.layouts[self.layout].image_ending
        missing = [f"{folder / key}{ending}.*" for key in labels if key not in images]
        if missing:
            raise self.error(
                f"{len(missing)} of {len(labels)} label files have no image: expected "
                f"{some(missing)} ({', '.join(IMAGE_SUFFIXES)}): {fix}"
            )
        for key, label in labels.items():
            if len(images[key]) > 1:
                names = " and ".join(str(path) for path in images[key])
                raise self.error(f"label file {label} has more than one image, {names}: keep one")
        return [(str(images[key][0]), str(label)) for key, label in labels.items()]

    def error(self, text: str) -> InputError:
        """The exception, with the name of the data set and where to read more."""
        return InputError(f"{type(self).__name__}: {text}; see docs/data.md")


def find_labels(folder: Path, ending: str) -> dict[str, Path]:
    """Label files below a folder, by their path without the ending, sorted.

    Args:
        folder: Where to look, including subfolders; it may be missing.
        ending: How the paths end, extension included, in upper or lower case.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in _walk(folder)}
    return {
        name[: -len(ending)]: path
        for name, path in paths.items()
        if name.lower().endswith(ending.lower()) and not _COLOUR.search(path.stem)
    }


def find_images(folder: Path, ending: str = "") -> dict[str, list[Path]]:
    """Images below a folder, by their path without ending and extension.

    A key has more than one file if the same image exists in two formats.
    """
    images: dict[str, list[Path]] = {}
    for path in _walk(folder):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.stem.endswith(ending):
            name = path.relative_to(folder).as_posix()
            key = name[: -len(ending + path.suffix)]
            images.setdefault(key, []).append(path)
    return images


def _walk(folder: Path) -> list[Path]:
    """All non-hidden files below a folder, sorted; links to folders are followed."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)
