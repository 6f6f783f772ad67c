"""A file of published protocols: data next to the code that reads it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

from mmosr.utils import InputError


class ProtocolFile:
    """``protocols.json``: the protocols by identifier, and the rules of figures.

    Args:
        path: The file.

    Attributes:
        rules: The rule of every figure, in words.
        names: Identifiers of all protocols.
    """

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.rules: Mapping = content["rules"]
        self._entries = {entry["identifier"]: entry for entry in content["protocols"]}
        self.names = tuple(self._entries)

    def entry(self, name: str) -> Mapping:
        """The newest version of a protocol.

        Raises:
            InputError: The protocol does not exist; the message names similar ones.
        """
        if name in self._entries:
            return self._entries[name]
        close = difflib.get_close_matches(str(name), self.names)
        names = ", ".join(self.names)
        hint = f"did you mean {' or '.join(close)}?" if close else f"choose from {names}"
        raise InputError(f"there is no protocol '{name}': {hint}")
