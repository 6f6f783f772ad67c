"""Where the tables of a run are printed."""

from __future__ import annotations

import sys

from rich.console import Console

_LOG_WIDTH = 160


def report_console() -> Console:
    """Standard output; a log, which has no width of its own, is as wide as the tables."""
    return Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
