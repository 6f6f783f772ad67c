"""What decides a run, on disk: a run may only be resumed by one with the same results."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path

from mmosr.utils import InputError
from mmosr.version import __version__

from .files import write_text

# For keys that would not tell the user what differs.
_WORDS = {"images_sha256": "list of images", "trained": "--trained"}


def versions(host: str) -> dict[str, str]:
    """Versions of the packages that figures can depend on; imports them.

    Args:
        host: ``mmseg`` or ``mmpretrain``.
    """
    modules = {name: name for name in ("torch", host, "mmcv", "mmengine", "numpy")}
    modules["opencv"] = "cv2"
    found = {name: str(import_module(module).__version__) for name, module in modules.items()}
    return {"mmosr": __version__, **found}


def read_json(path: str | os.PathLike) -> dict:
    """A JSON object.

    Raises:
        InputError: The file contains something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise not_a_record(path)
    return content


def write_json(
    path: str | os.PathLike, content: Mapping, indent: int = 2, allow_nan: bool = False
) -> None:
    """Write a JSON object, whole.

    Raises:
        ValueError: A number is NaN or infinite, which JSON lacks, unless ``allow_nan``.
    """
    write_text(path, json.dumps(content, indent=indent, allow_nan=allow_nan) + "\n")


def not_a_record(path: str | os.PathLike) -> InputError:
    """The error about a file that is damaged or something else."""
    return InputError(f"'{path}' is not the record of a run: remove it, or choose another output")


def check_record(path: Path, run: Mapping, resume: bool, ignored: Collection[str] = ()) -> bool:
    """Check whether a run may start, or may resume the one that is recorded.

    Args:
        path: Path of the record, which may be missing.
        run: What decides the new run.
        resume: Continue the recorded one.
        ignored: Keys that may differ.

    Returns:
        Whether there is a record.

    Raises:
        InputError: There is a run already and ``resume`` is false, or it is another run.
    """
    if not path.is_file():
        return False
    if not resume:
        raise InputError(
            f"'{path.parent}' already holds a run: add --resume to continue it, or choose another "
            "--out-dir"
        )
    check_resumable(path, read_json(path), run, ignored)
    return True


def check_resumable(
    path: Path, recorded: object, run: Mapping, ignored: Collection[str] = ()
) -> None:
    """Check that a recorded run is the one to continue.

    Args:
        path: Path of the record, for the message.
        recorded: What decided the recorded run.
        run: What decides the new one.
        ignored: Keys that may differ.

    Raises:
        InputError: They differ, or nothing is recorded.
    """
    if not isinstance(recorded, Mapping) or recorded.keys().isdisjoint(run):
        raise not_a_record(path)
    try:
        differing = differences(recorded, run, ignored)
    except (AttributeError, TypeError) as error:  # something else where a part has parts
        raise not_a_record(path) from error
    if differing:
        raise InputError(
            f"cannot resume: '{path}' is from a run that differs in {', '.join(differing)}; choose "
            "another output"
        )


def differences(old: Mapping, new: Mapping, ignored: Collection[str] = ()) -> list[str]:
    """What decides a run and differs between two records, in words.

    If there is a hash, such as ``config_sha256`` for ``config``, only the hash counts: files may
    move, but their content may not change.

    Args:
        old: The recorded run; keys that only it has are ignored.
        new: The new run.
        ignored: Keys that may differ.
    """
    found = []
    for key, value in new.items():
        before = old.get(key)
        if before == value or f"{key}_sha256" in new or key in ignored:
            continue
        if key == "versions":
            found += version_differences(before, value)
        elif key == "datasets":
            found += _data_set_differences(before, value)
        else:
            found.append(_WORDS.get(key) or key.removesuffix("_sha256").replace("_", " "))
    return found


def version_differences(old: Mapping | None, new: Mapping) -> list[str]:
    """Packages whose versions differ from those that a run has recorded, in words."""
    return [
        f"{name} ({(old or {}).get(name)} instead of {version})"
        for name, version in new.items()
        if (old or {}).get(name) != version
    ]


def _data_set_differences(old: Mapping | None, new: Mapping) -> list[str]:
    if list(old or {}) != list(new):
        return ["list of data sets"]
    found = {name: differences(old[name], part) for name, part in new.items()}
    return [f"data set '{name}' ({', '.join(parts)})" for name, parts in found.items() if parts]
