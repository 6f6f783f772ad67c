"""The progress of a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_LINES = 10
_SECONDS_BETWEEN_LINES = 60.0


def progress(
    items: Iterable[T],
    what: str,
    unit: str = "images",
    total: int | None = None,
    show: bool = True,
) -> Iterator[T]:
    """Yield the items; a bar on a terminal, plain lines in a log: about ten, or one per minute.

    Args:
        items: An item counts as done when the next one is requested.
        what: What is done with them.
        unit: What they are.
        total: How many; default: their length.
        show: False for the ranks that stay silent.
    """
    total = len(items) if total is None else total
    if not show or not total:
        yield from items
        return
    if sys.stdout.isatty():
        from rich.markup import escape
        from rich.progress import MofNCompleteColumn, Progress

        items = iter(items)  # a data loader forks its processes here: before the bar has a thread
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
            yield from bar.track(items, total, description=escape(what))
        return
    start = last = time.monotonic()
    shown = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done * _LINES // total > shown * _LINES // total or now - last >= _SECONDS_BETWEEN_LINES:
            rate = done / max(now - start, 1e-9)
            print(f"{what}: {done}/{total} {unit}, {rate:.2f} {unit}/s", flush=True)
            last, shown = now, done
