"""Chooses the number of torch's threads, so that other processes do not multiply its time.

In each parallel region all threads wait for the last one, which next to a busy process is a thread
without a processor. GNU OpenMP lets them busy-wait for some milliseconds, on processors that the
others need: on two busy processors a training step took 0.4 to 0.6 s with one thread and 4 to 7 s
with two. So waiting threads soon go to sleep, and a training uses only the free processors.

This module is imported with the package, before torch.
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping

# The user has chosen if one of these is set.
CHOSEN = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
MEASURED_SECONDS = 0.3
# Turns of OpenMP's waiting loop before a thread sleeps; its default is 100 times as large. With
# these, two threads on two busy processors need the time of one. Sleeping at once, which is
# OMP_WAIT_POLICY=passive, makes networks of small layers 3 times as slow on free processors; these
# turns cost them a tenth.
SPINS = "3000"


def wait_briefly(environ: MutableMapping[str, str]) -> None:
    """Let waiting OpenMP threads sleep soon, unless the environment says otherwise.

    Args:
        environ: The environment, changed in place. It is read when torch is imported.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & environ.keys():
        environ["GOMP_SPINCOUNT"] = SPINS


def use_free_processors(measure_load: bool = True) -> None:
    """Lower torch's number of threads to the processors it can have, and say so.

    Not if there is a GPU, nor if the environment has chosen. Data-loader workers always compute
    with one thread.

    Args:
        measure_load: Leave processors that others keep busy now to them. Sums differ in their last
            digits with the number of threads, so this is not for results that must be the same in
            every run; without it only a limit of the container counts.
    """
    import torch
    from mmengine.logging import print_log

    own = torch.get_num_threads()
    chosen = any(name in os.environ for name in CHOSEN)
    if own == 1 or chosen or torch.cuda.is_available():
        return
    processors, allowed, busy = measure_processors(MEASURED_SECONDS if measure_load else 0)
    threads = free_threads(own, processors, allowed, busy)
    if threads < own:
        torch.set_num_threads(threads)
        print_log(
            f"torch computes with {threads} of {own} threads: other processes keep {busy:.1f} of "
            f"{processors} processors busy, and this one may use {allowed}. OMP_NUM_THREADS=N "
            "sets the number, on which the last digits of all results depend.",
            logger="current",
        )


def free_threads(own: int, processors: int, allowed: int, busy: float) -> int:
    """How many threads find a free processor.

    Args:
        own: Threads that torch would use.
        processors: Number that this process may run on.
        allowed: How many it may keep busy; a container may allow fewer than all.
        busy: How many of the processors others keep busy.

    Returns:
        From 1 to ``own``; a processor counts as free if others leave at least half of it.
    """
    return max(1, min(own, allowed, math.floor(processors - busy + 0.5)))


def measure_processors(seconds: float) -> tuple[int, int, float]:
    """The last three arguments of :func:`free_threads`.

    Args:
        seconds: How long the load is measured, while this process sleeps; with 0 it is 0.
    """
    import joblib
    import psutil

    process = psutil.Process()
    # Not every system can bind a process to processors.
    bound = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
    own = range(psutil.cpu_count()) if bound is None else bound
    shares = psutil.cpu_percent(seconds, percpu=True) if seconds else []
    busy = sum(share for index, share in enumerate(shares) if index in own) / 100
    return len(own), joblib.cpu_count(), busy
