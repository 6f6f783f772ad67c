"""What the processes of a distributed run must do together: share, wait, and fail."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    get_dist_info,
    get_world_size,
    is_main_process,
)

from mmosr.utils import InputError
from mmosr.utils.errors import explain

from .files import write_text

T = TypeVar("T")
_SECONDS_OF_A_SLOW_FOLDER = 30  # network file systems show a new file after a while


def together(function: Callable[[], T]) -> T:
    """Call a function on every rank and wait for all; an error on one is an error on all.

    Raises:
        InputError: On the ranks without an error of their own, naming the one that failed.
    """
    error = result = None
    try:
        result = function()
    except Exception as failure:  # raised again at once, but on all ranks
        error = failure
    texts = all_gather_object(None if error is None else reason(error))
    if error is not None:
        raise error
    for rank, text in enumerate(texts):
        if text is not None:
            raise InputError(f"process {rank} failed: {text}")
    return result


def from_first(function: Callable[[], T]) -> T:
    """What the first rank computes, on every rank; all must call this together."""
    box = [together(function if is_main_process() else lambda: None)]
    broadcast_object_list(box)
    return box[0]


def share(items: Sequence[T]) -> Sequence[T]:
    """The items of this rank: each item belongs to one rank, and none is repeated."""
    rank, world_size = get_dist_info()
    return items[rank::world_size]


def reason(error: Exception) -> str:
    """One line for any error."""
    return explain(error) or f"{type(error).__name__}: {error}"


class FailureNote:
    """A file that informs the other ranks at once that one has failed.

    Ranks work for hours without synchronising. One that fails would otherwise wait for the others,
    or they would hang waiting for it.

    Args:
        folder: On a file system that all ranks share.

    Raises:
        InputError: A rank cannot see the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._alone = get_world_size() == 1
        self._path = folder / f".failed-{from_first(lambda: uuid.uuid4().hex)}"
        if not self._alone:
            self._check_shared(folder)

    def _check_shared(self, folder: Path) -> None:
        probe = self._path.with_name(self._path.name.replace("failed", "shared"))

        def make() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()

        from_first(make)
        try:
            together(lambda: _wait_for(probe))
        finally:
            if is_main_process():
                probe.unlink(missing_ok=True)

    def together(self, function: Callable[[], object]) -> None:
        """As :func:`together`, where the other ranks hear of an error at once, by :meth:`check`."""

        def guarded() -> None:
            try:
                function()
            except Exception as error:
                self._write(error)
                raise

        try:
            together(guarded)
        finally:
            self._path.unlink(missing_ok=True)  # all ranks have met

    def _write(self, error: Exception) -> None:
        # The first to fail is the one that the others name.
        if not self._alone and not self._path.exists():
            text = f"process {get_dist_info()[0]} failed: {reason(error)}"
            write_text(self._path, text)

    def check(self) -> None:
        """Fail if another rank has failed.

        Raises:
            InputError: With the error of that rank.
        """
        if not self._alone and self._path.exists():
            raise InputError(self._path.read_text())


def _wait_for(path: Path) -> None:
    end = time.monotonic() + _SECONDS_OF_A_SLOW_FOLDER
    while not path.exists():
        if time.monotonic() > end:
            raise InputError(
                f"output folder '{path.parent}' is not shared: the first process has made it, but "
                "this one cannot see it; choose an --out-dir that all machines can see"
            )
        time.sleep(0.1)
