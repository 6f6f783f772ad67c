"""The record of a prepared folder: ``manifest.json``, and a journal while it is being made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmosr.runs.journal import Journal, read_journal
from mmosr.runs.record import not_a_record, read_json, write_json

MANIFEST = "manifest.json"
JOURNAL = "manifest.partial.jsonl"
FORMAT = 1


class Records:
    """What is known about the files in a prepared folder.

    ``manifest.json`` is written atomically once all files are made. Until then each finished file
    is a line of the journal, which is all that a killed run leaves: a line cut off by the kill
    means that its file is made again.

    Args:
        folder: The prepared folder.

    Attributes:
        header: ``name``, ``source``, ``options`` and ``dataset`` of the plan; empty without a
            record.
        entries: Per path: ``sources``, ``how``, ``stamp`` (of the sources), ``size``, ``sha256``.
        unfinished: The last run did not finish.

    Raises:
        InputError: A record is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest, self.journal = folder / MANIFEST, folder / JOURNAL
        self.unfinished = self.journal.is_file()
        self.header: dict = {}
        self.entries: dict[str, dict] = {}
        if self.manifest.is_file():
            self.header = read_json(self.manifest)
            self.entries = self.header.pop("outputs", None)
            if self.header.pop("format", None) != FORMAT or not isinstance(self.entries, dict):
                raise not_a_record(self.manifest)
        if self.unfinished:
            self.header, lines = read_journal(self.journal)
            self.entries.update({entry.pop("path"): entry for entry in lines})

    @property
    def exist(self) -> bool:
        """Whether the folder was prepared, completely or in part."""
        return bool(self.header)

    def begin(self, header: Mapping) -> None:
        """Start the journal of a run with everything known."""
        self.header, self.unfinished = dict(header), True
        lines = ({"path": path, **entry} for path, entry in self.entries.items())
        self._journal = Journal(self.journal, self.header, lines=lines)

    def add(self, path: str, entry: dict) -> None:
        """Record a finished file."""
        self.entries[path] = entry
        self._journal.add([{"path": path, **entry}])

    def finish(self) -> None:
        """Write the manifest and end the journal."""
        content = {"format": FORMAT, **self.header, "outputs": dict(sorted(self.entries.items()))}
        write_json(self.manifest, content, indent=1)
        self.journal.unlink()
        self.unfinished = False
