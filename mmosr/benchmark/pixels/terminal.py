"""Tables of a benchmark in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmosr.runs.terminal import report_console

from .result import DatasetResult
from .tables import PUBLISHED, amounts, figure_names, format_figure, heading, table_cells


def print_tables(results: Sequence[DatasetResult], console: Console | None = None) -> None:
    """Print a table for each data set, with the published results below ours.

    Args:
        results: One for each data set.
        console: Default: standard output.
    """
    console = console or report_console()
    for result in results:
        console.print(_table(result))
        console.print()


def _table(result: DatasetResult) -> Table:
    names = figure_names(result)
    protocol = result.protocol
    table = Table(
        title=escape(f"{result.name}: {protocol.title}"),
        caption=escape(
            f"protocol {protocol.identifier}, version {protocol.version}; {amounts(result)}"
        ),
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    # In a narrow terminal names of scores are folded, and numbers stay whole.
    table.add_column("score", overflow="fold")
    for name in names:
        table.add_column(heading(name).replace(" ", "\n"), justify="right", no_wrap=True)
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
