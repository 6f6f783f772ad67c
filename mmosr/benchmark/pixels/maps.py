"""Score maps that are kept on disk until frames are drawn and components counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmosr.visualization.pictures import write_score

from .state import ImageRow

FRAMES = 3  # number of best and of worst images


def extremes(
    rows: Iterable[ImageRow], images: Sequence[str], score: str
) -> tuple[list[int], list[int]]:
    """Indices of the best and the worst images, by the average precision of a score.

    Images without unknown or without known pixels are left out, since theirs says nothing. Ties are
    broken by the name of the image.
    """
    rows = [row for row in rows if row.unknown and row.known]

    def rank(sign: int) -> list[int]:
        def key(row: ImageRow) -> tuple:
            return sign * row.figures[score]["AP"], images[row.index], row.index

        return [row.index for row in sorted(rows, key=key)[:FRAMES]]

    return rank(-1), rank(1)


class MapFolder:
    """Score maps and labels of some images of a data set.

    Args:
        root: The folder; created when something is written.
        images: Paths of all images; the maps are named after them.
        scores: Names of the scores that have maps.
    """

    def __init__(self, root: Path, images: Sequence[str], scores: Sequence[str]) -> None:
        self.root, self.scores, self._images = root, scores, images

    def _path(self, index: int, kind: str) -> Path:
        # The number distinguishes images with the same name in different folders.
        return self.root / f"{index:06d}_{Path(self._images[index]).stem}_{kind}.npy"

    def _paths(self, index: int) -> list[Path]:
        return [self._path(index, kind) for kind in ("label", *map("score_{}".format, self.scores))]

    def write(self, index: int, label: np.ndarray, scores: Mapping[str, np.ndarray]) -> None:
        """Write the maps of an image, each atomically: (H, W) uint8 labels and float32 scores."""
        for name in self.scores:
            write_score(self._path(index, f"score_{name}"), scores[name].astype(np.float32))
        # The label last: it marks the image as complete.
        write_score(self._path(index, "label"), label.astype(np.uint8))

    def has(self, index: int) -> bool:
        """Whether all maps of an image exist."""
        return all(path.exists() for path in self._paths(index))

    def score(self, index: int, name: str) -> np.ndarray:
        """A score map, read lazily."""
        return np.load(self._path(index, f"score_{name}"), mmap_mode="r")

    def label(self, index: int) -> np.ndarray:
        """The labels, read lazily."""
        return np.load(self._path(index, "label"), mmap_mode="r")

    def remove(self, index: int) -> None:
        """Remove the maps of an image."""
        for path in self._paths(index):
            path.unlink(missing_ok=True)

    def keep_only(self, indices: Collection[int]) -> None:
        """Remove the maps of all other images, including those of earlier runs."""
        kept = {f"{index:06d}" for index in indices}
        for path in self.root.glob("*.npy"):
            if path.name.removeprefix(".").split("_")[0] not in kept or path.name.startswith("."):
                path.unlink(missing_ok=True)
        if self.root.is_dir() and not any(self.root.iterdir()):
            self.root.rmdir()
