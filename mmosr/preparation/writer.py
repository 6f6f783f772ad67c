"""Making the files of a prepared folder: atomically, resumably, and never in the download."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mmosr.runs.files import atomic_write
from mmosr.runs.hashes import file_hash
from mmosr.runs.progress import progress
from mmosr.utils import InputError
from mmosr.utils.errors import some
from mmosr.version import __version__

from .plan import Output, Plan
from .records import JOURNAL, MANIFEST, Records

# Temporary files of atomic_write, which a killed run leaves.
_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}(?P<suffix>\.[^.]*)?")


@dataclass(frozen=True)
class Summary:
    """How many files a run made, kept because they were in order, and removed."""

    made: int
    kept: int
    removed: int

    def __str__(self) -> str:
        return f"{self.made} files made, {self.kept} already in order, {self.removed} removed"


def write_plan(plan: Plan, folder: Path) -> Summary:
    """Make all files of a plan and ``manifest.json``; files that are in order are left alone.

    A file is in order if it was made in the same way from sources with the same names, sizes and
    modification times, and still has the same checksum. Files of an earlier run that are no longer
    in the plan are removed.

    Args:
        plan: The files; the sources are only read.
        folder: Where they go. It may be missing, empty, or from an earlier run.

    Raises:
        InputError: The folder holds other files or another data set, links cannot be made there,
            or a source cannot be converted. What was made before is kept.
    """
    records = Records(folder)
    found = _check_folder(plan, folder, records)
    planned = {output.path for output in (*plan.outputs, *plan.last)}
    for path in sorted(found - planned - {MANIFEST, JOURNAL}):
        (folder / path).unlink()
    removed = [path for path in records.entries if path not in planned]
    for path in removed:
        del records.entries[path]
    records.begin(
        dict(
            tool=f"mmosr {__version__}",
            name=plan.name,
            source=str(plan.source),
            options=dict(plan.options),
            dataset=dict(plan.dataset),
        )
    )
    made = [_refresh(o, plan, folder, records) for o in progress(plan.outputs, "prepare", "files")]
    made += [_refresh(output, plan, folder, records) for output in plan.last]
    records.finish()
    return Summary(sum(made), len(made) - sum(made), len(removed))


def _check_folder(plan: Plan, folder: Path, records: Records) -> set[str]:
    """What the folder holds; all of it is from earlier runs."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: choose another one")
    if records.exist and records.header.get("name") != plan.name:
        raise InputError(
            f"folder {folder} holds the data set {records.header.get('name')}: choose another one"
        )
    own = {*records.entries, MANIFEST, JOURNAL}
    if records.exist:  # a killed run may have made more than it recorded
        own |= {output.path for output in (*plan.outputs, *plan.last)}
    found = _files(folder)
    foreign = sorted(path for path in found if path not in own and _final(path) not in own)
    if foreign:
        raise InputError(
            f"folder {folder} holds {len(foreign)} files that prepare.py did not make: "
            f"{some(foreign)}: choose another folder, or move them away"
        )
    return found


def _files(folder: Path) -> set[str]:
    """Everything in a folder except folders; a link to a folder counts as a file here."""
    found = set()
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        found |= {Path(parent, name).relative_to(folder).as_posix() for name in (*files, *links)}
    return found


def _final(path: str) -> str | None:
    """The file that a temporary one was to become; None for any other file."""
    match = _TEMPORARY.fullmatch(os.path.basename(path))
    if match is None:
        return None
    return Path(path).with_name(match["stem"] + (match["suffix"] or "")).as_posix()


def _refresh(output: Output, plan: Plan, folder: Path, records: Records) -> bool:
    """Make an output unless it is in order; return whether it was made."""
    how = output.how if output.make else ("copy" if plan.copy else "link")
    stamp = output.stamp(plan.source)  # before reading, so that a later change is noticed
    path, entry = folder / output.path, records.entries.get(output.path)
    if entry and (entry["how"], entry["stamp"]) == (how, stamp) and _in_order(path, output, entry):
        return False
    with atomic_write(path) as temporary:
        _make(output, temporary, how)
        size, checksum = temporary.stat().st_size, file_hash(temporary)
    names = output.source_names(plan.source)
    records.add(output.path, dict(sources=names, how=how, stamp=stamp, size=size, sha256=checksum))
    return True


def _in_order(path: Path, output: Output, entry: dict) -> bool:
    if path.is_symlink() != (entry["how"] == "link"):
        return False
    if path.is_symlink() and os.readlink(path) != os.fspath(output.sources[0]):
        return False
    return path.is_file() and file_hash(path) == entry["sha256"]


def _make(output: Output, temporary: Path, how: str) -> None:
    if output.make:
        output.make(temporary)
    elif how == "copy":
        shutil.copyfile(output.sources[0], temporary)
    else:
        try:
            temporary.symlink_to(output.sources[0])
        except OSError as error:
            raise InputError(
                f"links cannot be made in {temporary.parent} ({error.strerror}): add --copy"
            ) from error
