"""Runs that can be stopped from outside and keep what is done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stoppable(out: str | Path) -> Iterator[None]:
    """Let a signal end a run by an exception, and print how to continue it.

    Args:
        out: Folder with what is done.
    """
    signal.signal(signal.SIGTERM, _stop)  # sent by launchers and queues to end a process
    try:
        yield
    except KeyboardInterrupt:
        print(f"stopped; what is done is in {out}: add --resume to continue", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
