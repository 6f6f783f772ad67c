"""A file of published protocols: data beside the code that reads it."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping
from pathlib import Path

from mmosr.utils import InputError


class ProtocolFile:
    """``protocols.json``, read once: the protocols by their identifiers, and the rules of figures.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def _content(self) -> dict:
        return json.loads(self.path.read_text(encoding="utf-8"))

    @property
    def rules(self) -> Mapping:
        """The rule of every figure, in words."""
        return self._content["rules"]

    @property
    def names(self) -> tuple[str, ...]:
        """Identifiers of all protocols."""
        return tuple(entry["identifier"] for entry in self._content["protocols"])

    def entry(self, name: str) -> Mapping:
        """The newest version of a protocol.

        Raises:
            InputError: There is no such protocol; the message names similar ones.
        """
        for entry in self._content["protocols"]:
            if entry["identifier"] == name:
                return entry
        close = difflib.get_close_matches(str(name), self.names)
        names = ", ".join(self.names)
        hint = f"did you mean {' or '.join(close)}?" if close else f"choose from {names}"
        raise InputError(f"there is no protocol '{name}': {hint}")
