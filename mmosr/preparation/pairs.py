"""Complete pairs of images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmosr.datasets.anomaly_dataset import find_labels as find_files
from mmosr.utils import InputError
from mmosr.utils.errors import some


@dataclass(frozen=True)
class Split:
    """Two folders; files with paths that differ only in their ending belong together.

    Args:
        images: Folder of the images.
        labels: Folder of the labels.
        image_ending: Ending of the image names, including the extension.
        label_ending: The same for the labels.
    """

    images: Path
    labels: Path
    image_ending: str = ".png"
    label_ending: str = ".png"


def pair_splits(name: str, splits: Sequence[Split]) -> list[list[tuple[str, Path, Path]]]:
    """Find ``(key, image, label)`` of each split, sorted by key: the path without its ending.

    Raises:
        InputError: A split is empty, or files are missing; says how many, and which.
    """
    found, missing, total = [], [], 0
    for split in splits:
        images = find_files(split.images, split.image_ending)
        labels = find_files(split.labels, split.label_ending)
        keys = sorted({*images, *labels})
        if not keys:
            raise InputError(
                f"{name}: neither {split.images} holds a '*{split.image_ending}' nor "
                f"{split.labels} a '*{split.label_ending}' file: give the folder that the "
                "download was unpacked in; see docs/data.md"
            )
        missing += [split.images / f"{k}{split.image_ending}" for k in keys if k not in images]
        missing += [split.labels / f"{k}{split.label_ending}" for k in keys if k not in labels]
        found.append([(k, images[k], labels[k]) for k in keys if k in images and k in labels])
        total += 2 * len(keys)
    if missing:
        raise InputError(
            f"{name}: {len(missing)} of {total} files are missing: "
            f"{some([str(path) for path in missing])}: complete the download, or unpack it again; "
            "see docs/data.md"
        )
    return found
