"""The outcome of a check, and how it is printed."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich import box

from mmosr.runs.tables import log_console, terminal_table


@dataclass
class Report:
    """What a check says.

    Attributes:
        facts: What is there, as pairs of a topic and a text.
        values: Raw label value, meaning, number of pixels, and share of them.
        problems: What is wrong, each with its fix.
        ready: What is said when nothing is wrong.
    """

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    values: list[tuple[str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ready: str = ""

    @property
    def verdict(self) -> str:
        """The last line: ready, or the first problem and its fix."""
        if not self.problems:
            return f"ready: {self.ready}"
        more = len(self.problems) - 1
        return f"not ready: {self.problems[0]}" + (f" (and {more} more, above)" if more else "")


def show(report: Report) -> None:
    """Print the tables, all problems, and the verdict as the last line."""
    console, lines = log_console(), dict(box=box.HEAVY_HEAD, show_edge=True)
    facts = dict(title=report.title, title_justify="left", show_header=False)
    console.print(terminal_table(["", ""], rows=report.facts, **facts, **lines))
    if report.values:
        head = ["value", "meaning", "pixels", "share"]
        console.print(terminal_table(head, rows=report.values, title="label values", **lines))
    for problem in report.problems[1:]:
        print(f"also wrong: {problem}")
    print(report.verdict, flush=True)
