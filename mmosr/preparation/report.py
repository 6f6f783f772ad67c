"""The outcome of a check, and how it is printed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 130  # of tables in a log


@dataclass
class Report:
    """What a check says.

    Attributes:
        facts: What is there, as pairs of a topic and a text.
        values: Raw label value, meaning, number of pixels, and share of them.
        problems: What is wrong, each with its mend.
        ready: What is said when nothing is wrong.
    """

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    values: list[tuple[str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ready: str = ""

    @property
    def verdict(self) -> str:
        """The last line: ready, or the first problem and its mend."""
        if not self.problems:
            return f"ready: {self.ready}"
        more = len(self.problems) - 1
        return f"not ready: {self.problems[0]}" + (f" (and {more} more, above)" if more else "")


def show(report: Report) -> None:
    """Print the tables, all problems, and the verdict as the last line."""
    console = Console(
        file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH, highlight=False
    )
    facts = Table(title=Text(report.title), title_justify="left", show_header=False)
    for row in report.facts:
        facts.add_row(*map(Text, row))
    console.print(facts)
    if report.values:
        table = Table("value", "meaning", "pixels", "share", title="label values")
        for row in report.values:
            table.add_row(*map(Text, row))
        console.print(table)
    for problem in report.problems[1:]:
        print(f"also wrong: {problem}")
    print(report.verdict, flush=True)
