"""What an export and a table of scores say in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmosr.utils import InputError

from .export import ExportReport
from .score_table import ScoreTable

_SHOWN = 5


def report_export(result: ExportReport, total: int, out_dir: Path) -> None:
    """Say what an export of ``total`` images has written.

    Raises:
        InputError: Some images failed.
    """
    _name_failed(result.failed)
    for source in result.not_finite:
        print(f"warning: '{source}' has scores that are NaN or infinite", file=sys.stderr)
    bounds = (
        "per image" if result.value_range is None else "{:g} to {:g}".format(*result.value_range)
    )
    end = f", colour range {bounds}" if result.written else ""
    print(f"{result.written} of {total} images exported to {out_dir}{end}")
    _refuse_failed(result.failed, total)


def report_scores(table: ScoreTable, score: str, total: int, out: Path) -> None:
    """Show the images with the highest and lowest score, and say how many there are.

    Raises:
        InputError: Some images failed.
    """
    _name_failed(table.failed)
    ranked = sorted(table.rows, key=lambda row: -row[score])
    if ranked:
        Console().print(_ranking(ranked, score))
    if any("unknown" in row for row in ranked):
        print(f"{sum(row['unknown'] for row in ranked)} of {len(ranked)} images are unknown")
    print(f"{len(ranked)} of {total} images scored: {out}")
    _refuse_failed(table.failed, total)


def _ranking(ranked: list[dict], score: str) -> Table:
    shown = Table(title=f"by {score}, most unknown first", box=box.SIMPLE_HEAD, show_edge=False)
    names = [name for name in ranked[0] if name != "image"]
    shown.add_column("image", overflow="fold")
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


def _name_failed(failed: Mapping[str, str]) -> None:
    for source, reason in failed.items():
        # The reason of an unreadable image already names it.
        named = reason if source in reason else f"image '{source}': {reason}"
        print(f"failed: {named}", file=sys.stderr)


def _refuse_failed(failed: Mapping[str, str], total: int) -> None:
    if failed:
        raise InputError(f"{len(failed)} of {total} images failed, see above")
