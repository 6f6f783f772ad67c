"""Tables of a benchmark in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmosr.runs.tables import log_console, terminal_table

from .result import DatasetResult
from .tables import PUBLISHED, amounts, figure_names, format_figure, heading, table_cells


def print_tables(results: Sequence[DatasetResult], console: Console | None = None) -> None:
    """Print a table for each data set, with the published results below ours.

    Args:
        results: One for each data set.
        console: Default: standard output.
    """
    console = console or log_console()
    for result in results:
        console.print(_table(result))
        console.print()


def _table(result: DatasetResult) -> Table:
    names, protocol = figure_names(result), result.protocol
    table = terminal_table(
        ["score"],
        [heading(name).replace(" ", "\n") for name in names],
        title=f"{result.name}: {protocol.title}",
        caption=f"protocol {protocol.identifier}, version {protocol.version}; {amounts(result)}",
        padding=0,
    )
    for score, cells in table_cells(result).items():
        table.add_row(
            escape(score), *(f"[bold]{text}[/]" if best else text for text, best in cells)
        )
    if protocol.published:
        table.add_section()
        table.add_row("published:", style="dim")
    for row in protocol.published:
        cells = [format_figure(n, getattr(row, n)) if n in PUBLISHED else "" for n in names]
        table.add_row(escape(row.method), *cells, style="dim")
    return table
