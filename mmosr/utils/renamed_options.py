"""Command-line options under their names in earlier versions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence


def present_names(renamed: Mapping[str, str], arguments: Sequence[str] | None = None) -> list[str]:
    """The arguments of a command line with the current names of their options.

    One line on standard error says which old names were used.

    Args:
        renamed: Current name by old name, such as ``{"--score": "--scores"}``.
        arguments: Default: those of this process.
    """
    found = list(sys.argv[1:] if arguments is None else arguments)
    used = {}
    for place, argument in enumerate(found):
        name, equals, value = argument.partition("=")
        if name in renamed:
            used[name] = renamed[name]
            found[place] = f"{renamed[name]}{equals}{value}"
    if used:
        names = ", ".join(f"{old} is now called {new}" for old, new in used.items())
        print(f"warning: {names}", file=sys.stderr, flush=True)
    return found
