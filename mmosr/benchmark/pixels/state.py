"""What is known of a data set so far, and its files: merges are exact, so runs can be resumed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from mmosr.evaluation.counts import Counts
from mmosr.evaluation.curves import figures
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.runs.files import atomic_write
from mmosr.utils import InputError

_SHARE_OF_TIME = 0.05  # spent on writing
_COUNTS = ("keys", "known", "unknown")  # arrays of a histogram


@dataclass(frozen=True)
class ImageRow:
    """The figures of one image alone.

    Args:
        index: Place in the data set.
        known: Known pixels.
        unknown: Unknown pixels.
        figures: By score, see :func:`mmosr.evaluation.curves.figures`.
    """

    index: int
    known: int
    unknown: int
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Part:
    """Counts of some images and the figures of each. It never changes, so it is always whole.

    Args:
        counts: Of all these images.
        rows: One for each image.
    """

    counts: Counts
    rows: tuple[ImageRow, ...]

    @classmethod
    def total(cls, parts: Sequence[Part]) -> Part:
        """Add parts up: exact, and the same in any order.

        Raises:
            InputError: An image is in two of them.
        """
        rows = sorted((row for part in parts for row in part.rows), key=lambda row: row.index)
        if len({row.index for row in rows}) < len(rows):
            raise InputError(
                "two runs wrote to this output folder at the same time, and images were "
                "counted twice: choose another --out-dir"
            )
        return cls(Counts.total([part.counts for part in parts]), tuple(rows))

    def save(self, path: Path) -> None:
        """Write the part, whole."""
        counts, scores = self.counts, list(self.counts.histograms)
        names = list(self.rows[0].figures[scores[0]])
        arrays = {
            "images": np.array([row.index for row in self.rows], np.int64),
            "pixels": np.array([(row.known, row.unknown) for row in self.rows], np.int64),
            "figures": np.array(
                [[[row.figures[s][n] for n in names] for s in scores] for row in self.rows]
            ),
            "scores": np.array(scores),
            "figure_names": np.array(names),
            "ignored": np.int64(counts.ignored),
        }
        if counts.areas is not None:
            arrays["areas"] = counts.areas.cpu().numpy()
        for number, histogram in enumerate(counts.histograms.values()):
            for kind in (*_COUNTS, "bits"):
                arrays[f"{kind}_{number}"] = getattr(histogram, kind)
        with atomic_write(path) as temporary:
            np.savez(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> Part:
        """Read a part.

        Raises:
            InputError: The file is damaged.
        """
        with _opened(path) as file:
            scores, names = file["scores"].tolist(), file["figure_names"].tolist()
            histograms = {
                name: ScoreHistogram(
                    *(file[f"{kind}_{number}"] for kind in _COUNTS), int(file[f"bits_{number}"])
                )
                for number, name in enumerate(scores)
            }
            columns = (file[kind].tolist() for kind in ("images", "pixels", "figures"))
            rows = tuple(
                ImageRow(index, known, unknown, _by_name(values, scores, names))
                for index, (known, unknown), values in zip(*columns, strict=True)
            )
            areas = torch.from_numpy(file["areas"]) if "areas" in file else None
            return cls(Counts(len(rows), int(file["ignored"]), areas, histograms), rows)


def _by_name(values: list, scores: list[str], names: list[str]) -> dict[str, dict[str, float]]:
    return {s: dict(zip(names, v, strict=True)) for s, v in zip(scores, values, strict=True)}


@contextmanager
def _opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """A part file that is being read; whatever is wrong with it becomes one line."""
    try:
        with np.load(path) as file:
            yield file
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        text = f"'{path}' is damaged: remove it and run again with --resume"
        raise InputError(text) from error


def part_files(folder: Path) -> list[Path]:
    """The part files of a data set that are whole."""
    return sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left."""
    for path in folder.glob(".*.npz"):
        path.unlink(missing_ok=True)


def images_done(folder: Path) -> set[int]:
    """Places of the images that some part file holds."""
    done: set[int] = set()
    for path in part_files(folder):
        with _opened(path) as file:
            done.update(file["images"].tolist())
    return done


class PartWriter:
    """Collects the counts of one process and keeps them in a file of its own in a folder.

    The file is written after an image, but not so often that writing takes more than about 5 % of
    the time; in a block, also when it is left, whatever ends it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{uuid.uuid4().hex}.npz"
        self._due = 0.0
        self._saved: Part | None = None
        self.part: Part | None = None

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._save()

    def add(self, index: int, counts: Counts) -> ImageRow:
        """Count one image and return its figures."""
        first = next(iter(counts.histograms.values()))
        by_score = {name: figures(part) for name, part in counts.histograms.items()}
        row = ImageRow(index, first.num_known, first.num_unknown, by_score)
        # Built first and set at once: a signal in between finds the old part, whole.
        if self.part is None:
            self.part = Part(counts, (row,))
        else:
            total = Counts.total([self.part.counts, counts])
            self.part = Part(total, (*self.part.rows, row))
        if time.monotonic() >= self._due:
            self._save()
        return row

    def _save(self) -> None:
        part = self.part
        if part is None or part is self._saved:
            return
        start = time.monotonic()
        part.save(self._path)
        end = time.monotonic()
        self._saved = part
        self._due = end + (end - start) * (1 / _SHARE_OF_TIME - 1)
