"""Runs that are stopped from outside and keep what is done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stoppable(out: str | Path) -> Iterator[None]:
    """Let a signal end a run by an exception, and say how it is continued.

    Args:
        out: Folder of what is done.
    """
    signal.signal(signal.SIGTERM, _stop)  # as launchers and queues end a process
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped; what is done is in {out}: add --resume to continue", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
