"""What an analysis says in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table


def print_record(record: Mapping, path: Path) -> None:
    """Print the figures of a record, and what they are of.

    Args:
        record: From :func:`~mmosr.analysis.write_report`.
        path: Its file.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("figure", "value", "standard error"):
        table.add_column(name)
    for name, figure in record["figures"].items():
        cells = (figure["value"], figure.get("standard_error"))
        table.add_row(name, *("" if cell is None else f"{cell:.4g}" for cell in cells))
    Console().print(table)
    images, norm = record["images"], record["jacobian"]
    print(f"{images['known']} known and {images['unknown']} unknown images; f: {norm['f']}")
    print(f"norms: {norm['method']}; x: {norm['x']}")
    print(f"distances: {record['distances']}")
    print(f"written: {path}")
