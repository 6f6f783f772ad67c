"""What an analysis has measured so far, on disk, so that an interrupted one can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mmosr.runs.files import atomic_write
from mmosr.utils import InputError


class Journal:
    """Numbers by key, one line each, below a line that says what run they are of.

    Every added batch is on disk at once. The file stays when the run ends: a resumed run reads it.

    Args:
        path: The file.
        run: What decides the numbers, as JSON.
        resume: Keep the numbers of a file of the same run; otherwise it is begun anew.

    Raises:
        InputError: The file is of another run, or of none.
    """

    def __init__(self, path: Path, run: Mapping, resume: bool = False) -> None:
        self.path = path
        self.values: dict[str, list[float]] = {}
        if resume and path.is_file():
            self.values = _read(path, run)
        with atomic_write(path) as temporary:
            lines = [dict(run), *([key, *value] for key, value in self.values.items())]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            temporary.write_text(text, encoding="utf-8")

    def add(self, values: Mapping[str, list[float]]) -> None:
        """Keep more numbers."""
        text = "".join(json.dumps([key, *value]) + "\n" for key, value in values.items())
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)
        self.values.update(values)


def _read(path: Path, run: Mapping) -> dict[str, list[float]]:
    first, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    try:
        found = json.loads(first)
        differing = [key for key, value in run.items() if found[key] != value]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is not of an earlier run: remove it, or choose another --out"
        ) from error
    if differing:
        names = ", ".join(key.removesuffix("_sha256").replace("_", " ") for key in differing)
        raise InputError(
            f"cannot resume: '{path}' is of a run with another {names}; run without --resume, or "
            "choose another --out"
        )
    # A kill can cut the last line off.
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return {key: value for key, *value in rows}
