"""What an unfinished run has done so far, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .files import write_text
from .record import check_resumable, not_a_record


class Journal:
    """JSON values, one per line, after a line that identifies the run.

    Every added batch is on disk at once. A last line cut off by a kill is dropped.

    Args:
        path: The file.
        run: What decides the run.
        resume: Keep the lines of a file of the same run; otherwise start a new one.
        lines: To begin with.

    Attributes:
        lines: All lines so far.

    Raises:
        InputError: The file to resume is of another run, or not a journal.
    """

    def __init__(
        self, path: Path, run: Mapping, resume: bool = False, lines: Iterable[Any] = ()
    ) -> None:
        self.path, self.lines = path, list(lines)
        if resume and path.is_file():
            recorded, self.lines = read_journal(path)
            check_resumable(path, recorded, run)
        write_text(path, _text([dict(run), *self.lines]))

    def add(self, lines: Iterable[Any]) -> None:
        """Keep more lines."""
        lines = list(lines)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_text(lines))
        self.lines += lines


def read_journal(path: Path) -> tuple[dict, list]:
    """The first line, and the others.

    Raises:
        InputError: The file is not a journal.
    """
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    try:
        run, *lines = map(json.loads, whole.splitlines())
    except ValueError as error:
        raise not_a_record(path) from error
    if not isinstance(run, dict):
        raise not_a_record(path)
    return run, lines


def _text(lines: Iterable[Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)
