"""How far a run is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    track,
)

_LINES = 10
_SECONDS_BETWEEN_LINES = 60.0


class ImageProgress:
    """A bar on a terminal, plain lines in a log: about ten, and one a minute in a slow run.

    Args:
        what: Name of the data set and of what is done with it.
        total: Number of images.
        show: False for the ranks that stay silent.
    """

    def __init__(self, what: str, total: int, show: bool = True) -> None:
        self.what, self.total, self.done = what, total, 0
        self._bar = None
        self._silent = not show or not total
        if not self._silent and sys.stdout.isatty():
            self._bar = Progress(
                TextColumn(what),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
            )

    def __enter__(self) -> ImageProgress:
        self._start = self._last = time.monotonic()
        self._shown = 0
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("", total=self.total, rate="")
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, images: int) -> None:
        """Tell that so many more images are done."""
        self.done += images
        if self._silent:
            return
        now = time.monotonic()
        rate = f"{self.done / max(now - self._start, 1e-9):.2f} images/s"
        if self._bar:
            self._bar.update(self._task, completed=self.done, rate=rate)
        elif (
            self.done * _LINES // self.total > self._shown * _LINES // self.total
            or now - self._last >= _SECONDS_BETWEEN_LINES
        ):
            print(f"{self.what}: {self.done}/{self.total} images, {rate}", flush=True)
            self._last, self._shown = now, self.done


def progress(items: Sequence, what: str) -> Iterator:
    """A progress bar on a terminal, about ten plain lines in a log."""
    if sys.stdout.isatty():
        yield from track(items, what)
        return
    step = max(1, len(items) // 10)
    for number, item in enumerate(items, 1):
        yield item
        if number % step == 0 or number == len(items):
            print(f"{what} {number}/{len(items)}", flush=True)
