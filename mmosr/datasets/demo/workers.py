"""Drawing many demo scenes at once, in one process per processor."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import cv2
from joblib import cpu_count

SCENES_PER_WORKER = 8
"""A process is only started for at least this many scenes."""


def draw_all(
    draw: Callable[[tuple], None],
    scenes: Sequence[tuple],
    progress: Callable[[Sequence], Iterable],
) -> None:
    """Call ``draw(scene)`` for every scene.

    A few scenes are drawn in this process, many in a pool with one process per processor that this
    process may use. Processes are forked: a fresh one would import everything again and need a
    guarded main module. Without fork everything is drawn here.

    Args:
        draw: Draws and saves one scene; must be picklable for a pool.
        scenes: What to draw.
        progress: Wraps ``scenes``; advances when a scene is finished.

    Raises:
        Exception: Whatever ``draw`` or ``progress`` raises. Scenes not yet started are skipped.
    """
    workers = min(cpu_count(), len(scenes) // SCENES_PER_WORKER)
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        for scene in progress(scenes):
            draw(scene)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    try:
        # All scenes are submitted, so the processes are forked, before progress starts a thread.
        drawn = [pool.submit(draw, scene) for scene in scenes]
        for _, result in zip(progress(scenes), drawn, strict=True):
            result.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches every process of the terminal; only the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not 1: that waits for threads of the parent's OpenCV, which a fork does not copy.
    cv2.setNumThreads(0)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Do not wait forever for work if the parent is killed."""
    multiprocessing.parent_process().join()
    os._exit(1)
