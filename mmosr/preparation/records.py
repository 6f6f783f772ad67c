"""The record of a prepared folder: ``manifest.json``, and a journal while it is being made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mmosr.runs.files import atomic_write
from mmosr.utils import InputError

MANIFEST = "manifest.json"
JOURNAL = "manifest.partial.jsonl"
FORMAT = 1


class Records:
    """What is known of the files in a prepared folder.

    ``manifest.json`` is written whole once all files are made. Until then each finished file is a
    line of the journal, which is all that a killed run leaves: a line cut off by the kill is a file
    that is made again.

    Args:
        folder: The prepared folder.

    Attributes:
        header: ``name``, ``source``, ``options`` and ``dataset`` of the plan; empty without record.
        entries: By path: ``sources``, ``how``, ``stamp`` (of the sources), ``size``, ``sha256``.
        unfinished: The last run did not come to its end.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest, self.journal = folder / MANIFEST, folder / JOURNAL
        self.unfinished = self.journal.is_file()
        self.header: dict = {}
        self.entries: dict[str, dict] = {}
        if self.manifest.is_file():
            self.header = _read_manifest(self.manifest)
            self.entries = self.header.pop("outputs")
        if self.unfinished:
            self._read_journal()

    @property
    def exist(self) -> bool:
        """Whether the folder was prepared, wholly or in part."""
        return bool(self.header)

    def _read_journal(self) -> None:
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            try:
                content = json.loads(line)
            except ValueError:
                break
            if number == 0:
                self.header = content
            else:
                self.entries[content.pop("path")] = content

    def begin(self, header: Mapping) -> None:
        """Start the journal of a run with all that is known."""
        self.header = dict(header)
        with atomic_write(self.journal) as temporary:
            lines = [self.header, *({"path": path, **e} for path, e in self.entries.items())]
            temporary.write_text("".join(map(_line, lines)), encoding="utf-8")
        self.unfinished = True

    def add(self, path: str, entry: dict) -> None:
        """Note a finished file."""
        self.entries[path] = entry
        with open(self.journal, "a", encoding="utf-8") as file:
            file.write(_line({"path": path, **entry}))

    def finish(self) -> None:
        """Write the manifest and end the journal."""
        content = {"format": FORMAT, **self.header, "outputs": dict(sorted(self.entries.items()))}
        with atomic_write(self.manifest) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        self.journal.unlink()
        self.unfinished = False


def _line(content: Mapping) -> str:
    return json.dumps(content) + "\n"


def _read_manifest(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") == FORMAT and isinstance(content["outputs"], dict):
            return content
        reason = f"its format is not {FORMAT}"
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        reason = str(error)
    raise InputError(
        f"{path} is no record of prepare.py ({reason}): remove the folder and prepare it again"
    )
