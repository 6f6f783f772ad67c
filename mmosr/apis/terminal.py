"""What an export and a table of scores print in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmosr.runs.tables import terminal_table
from mmosr.utils import InputError

from .export import ExportReport
from .score_table import ScoreTable

_SHOWN = 5


def report_export(result: ExportReport, total: int, out_dir: Path) -> None:
    """Print what an export of ``total`` images has written.

    Raises:
        InputError: Some images failed.
    """
    with _failures(result.failed, total):
        for source in result.not_finite:
            print(f"warning: '{source}' has scores that are NaN or infinite", file=sys.stderr)
        limits = result.value_range
        bounds = "per image" if limits is None else "{:g} to {:g}".format(*limits)
        end = f", colour range {bounds}" if result.written else ""
        print(f"{result.written} of {total} images exported to {out_dir}{end}")


def report_scores(table: ScoreTable, score: str, total: int, out: Path) -> None:
    """Print the images with the highest and lowest scores, and their number.

    Raises:
        InputError: Some images failed.
    """
    with _failures(table.failed, total):
        ranked = sorted(table.rows, key=lambda row: -row[score])
        if ranked:
            Console().print(_ranking(ranked, score))
        if any("unknown" in row for row in ranked):
            print(f"{sum(row['unknown'] for row in ranked)} of {len(ranked)} images are unknown")
        print(f"{len(ranked)} of {total} images scored: {out}")


def _ranking(ranked: list[dict], score: str) -> Table:
    shown = terminal_table(["image"], title=f"by {score}, most unknown first")
    names = [name for name in ranked[0] if name != "image"]
    for name in names:
        shown.add_column(name)
    head, tail = ranked[:_SHOWN], ranked[_SHOWN:][-_SHOWN:]
    for row in (*head, *tail):
        if tail and row is tail[0] and len(ranked) > len(head) + len(tail):
            shown.add_section()
        shown.add_row(escape(row["image"]), *(_cell(row[name]) for name in names))
    return shown


def _cell(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else escape(str(value))


@contextmanager
def _failures(failed: Mapping[str, str], total: int) -> Iterator[None]:
    """List the images that failed, and finally raise with their number."""
    for source, reason in failed.items():
        # The reason of an unreadable image already names it.
        named = reason if source in reason else f"image '{source}': {reason}"
        print(f"failed: {named}", file=sys.stderr)
    yield
    if failed:
        raise InputError(f"{len(failed)} of {total} images failed, see above")
