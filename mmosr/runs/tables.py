"""Tables: CSV for programs, GitHub markdown and the terminal for people."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import atomic_write

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NOTHING = "–"
LOG_WIDTH = 160  # of a table in a log, which has no width of its own
# An underscore inside a word is not markup.
_MARKUP = re.compile(r"[\\`*\[\]<|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def write_csv(
    path: str | os.PathLike,
    rows: Iterable[Mapping[str, Any] | Sequence[Any]],
    columns: Sequence[str] | None = None,
    line_end: str = "\r\n",
) -> Path:
    """Write a table, whole, with all digits of its numbers; None becomes an empty cell.

    Args:
        path: The file.
        rows: Values by column, or in the order of the columns.
        columns: Default: those of the first row, which must be a mapping.
        line_end: That of RFC 4180 by default.
    """
    rows = list(rows)
    columns = list(rows[0] if columns is None else columns)
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([row[name] for name in columns] if isinstance(row, Mapping) else row)
    return Path(path)


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, or a dash if the whole is 0."""
    return f"{100 * part / whole:.3g} %" if whole else "-"


def code(text: object) -> str:
    """Markdown: text in a code span, even if it contains backticks."""
    text = " ".join(str(text).split())
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def plain(text: object) -> str:
    """Markdown: text in which nothing is markup."""
    return re.sub(_MARKUP, r"\\\g<0>", " ".join(str(text).split()))


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], words: Iterable[int]
) -> list[str]:
    """Lines of a markdown table.

    Args:
        header: Headers of the columns, markdown.
        rows: Cells, markdown.
        words: Columns with words instead of numbers.
    """
    rule = "|".join(":---" if i in words else "---:" for i in range(len(header)))
    return [_row(header), f"|{rule}|", *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    # A pipe ends a cell, even in a code span.
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"


def terminal_table(
    words: Iterable[str],
    numbers: Iterable[str] = (),
    more_words: Iterable[str] = (),
    rows: Iterable[Sequence[str]] = (),
    **options: Any,
) -> Table:
    """A table for the terminal.

    Args:
        words: Headings of the first columns; in a narrow terminal their cells are folded.
        numbers: Headings of the next columns, whose cells stay whole.
        more_words: Headings of further columns of words.
        rows: Cells, plain text.
        **options: Of :class:`rich.table.Table`; title and caption are plain text.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    for name in ("title", "caption"):
        if name in options:
            options[name] = escape(options[name])
    table = Table(**{"box": box.SIMPLE_HEAD, "show_edge": False, **options})
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in more_words:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def log_console() -> Console:
    """Standard output: as wide as the terminal, or as tables in a log."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
