"""Published splits of classes into known and unknown, as data with identifiers and versions.

The splits are the JSON files in the folder ``class_splits``. The version of a split increases with
every change of its classes, so results with the same identifier and version can be compared.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmosr.utils import InputError

_FOLDER = Path(__file__).with_name("class_splits")
_DATA_SETS = "data_sets.json"


@dataclass(frozen=True)
class ClassSplit:
    """Known and unknown classes of one trial.

    Args:
        identifier: Name of the split, e.g. ``protocol_a/cifar10``.
        version: At least 1.
        trial: Number of the trial, from 0.
        title: Human-readable name.
        source: Paper or release that publishes it.
        known: Ids of the known classes in ``known_data``, ascending: class ``known[k]`` is
            label ``k``.
        unknown: Ids of the unknown classes in ``unknown_data``, ascending.
        known_data: Data set of the known classes.
        unknown_data: Data set of the unknown classes, often the same.
        mean: Mean of the known training images, RGB in [0, 1]; None if not published.
        std: Standard deviation, like ``mean``.
    """

    identifier: str
    version: int
    trial: int
    title: str
    source: str
    known: tuple[int, ...]
    unknown: tuple[int, ...]
    known_data: str
    unknown_data: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def known_names(self) -> tuple[str, ...] | None:
        """Names of the known classes by label; None if the data set has only numbers."""
        return _names(self.known_data, self.known)

    @property
    def unknown_names(self) -> tuple[str, ...] | None:
        """Names of the unknown classes; None if the data set has only numbers."""
        return _names(self.unknown_data, self.unknown)


def split_names() -> tuple[str, ...]:
    """Identifiers of all splits."""
    return tuple(_entries())


def num_trials(identifier: str) -> int:
    """Number of trials of a split.

    Raises:
        InputError: The split does not exist.
    """
    return len(_entry(identifier)["trials"])


def load_split(identifier: str, trial: int = 0) -> ClassSplit:
    """One trial of a split.

    Args:
        identifier: One of :func:`split_names`.
        trial: Number of the trial, from 0.

    Raises:
        InputError: The split or trial does not exist.
    """
    entry = _entry(identifier)
    trials = entry["trials"]
    if isinstance(trial, bool) or not isinstance(trial, int) or not 0 <= trial < len(trials):
        raise InputError(
            f"class split {identifier} has no trial {trial!r}: choose one of "
            + ", ".join(map(str, range(len(trials))))
        )
    classes = trials[trial]
    shared = ("version", "title", "source", "known_data", "unknown_data")
    return ClassSplit(
        identifier=identifier,
        trial=trial,
        known=tuple(sorted(classes["known"])),
        unknown=tuple(sorted(classes["unknown"])),
        **{key: entry[key] for key in shared},
        **{key: tuple(classes[key]) for key in ("mean", "std") if key in classes},
    )


def check_classes(data: str, classes: Sequence[str], owner: str) -> None:
    """Check that the ids of a split mean the same classes in the given data.

    Args:
        data: Data set that the split was made for, such as ``ClassSplit.known_data``.
        classes: Names of the classes found, by id.
        owner: Owner of the classes, for the message.

    Raises:
        InputError: The number of classes or the name of an id differs.
    """
    expected = _data_sets()[data]
    if len(classes) != expected["num_classes"]:
        raise InputError(
            f"{owner} has {len(classes)} classes, but the class split is for {data} with "
            f"{expected['num_classes']}: use the data set with all its classes"
        )
    for index, (found, name) in enumerate(zip(classes, expected["classes"] or (), strict=False)):
        if found != name:
            raise InputError(
                f"{owner}: class {index} is '{found}', but the class split is for {data}, where "
                f"it is '{name}': use its class names and order"
            )


def _names(data: str, ids: Sequence[int]) -> tuple[str, ...] | None:
    classes = _data_sets()[data]["classes"]
    return None if classes is None else tuple(classes[index] for index in ids)


def _entry(identifier: str) -> dict:
    entries = _entries()
    if identifier not in entries:
        close = difflib.get_close_matches(str(identifier), entries, n=3, cutoff=0.5)
        raise InputError(
            f"there is no class split '{identifier}'; "
            + (f"did you mean {', '.join(close)}?" if close else f"choose {', '.join(entries)}")
        )
    return entries[identifier]


@functools.cache
def _entries() -> dict[str, dict]:
    files = sorted(path for path in _FOLDER.glob("*.json") if path.name != _DATA_SETS)
    return {entry["identifier"]: entry for path in files for entry in _read(path)["splits"]}


@functools.cache
def _data_sets() -> dict[str, dict]:
    return _read(_FOLDER / _DATA_SETS)["data_sets"]


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
