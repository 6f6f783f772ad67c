"""What the CPU does well."""

from __future__ import annotations

import functools
import logging
import time

import torch
import torch.nn.functional as F
from mmengine.logging import print_log

SLOW = 1.5


def warn_of_slow_bfloat16() -> None:
    """Warn where mixed precision makes training slower, which it does on many CPUs."""
    slowdown = bfloat16_slowdown()
    if slowdown > SLOW:
        print_log(
            f"a convolution takes {slowdown:.3g} times as long in bfloat16 as in float32 on this "
            "CPU: leave out --amp, unless you mean to have the rounding of bfloat16",
            logger="current",
            level=logging.WARNING,
        )


@functools.cache
def bfloat16_slowdown() -> float:
    """How many times as long as in float32 a convolution and its gradient take in bfloat16.

    Measured in a fraction of a second, on one thread: below 1 where the CPU has instructions for
    bfloat16; 20 and more were seen where it has AVX2 alone.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would wait for each other on a busy machine
    try:
        return _seconds(torch.bfloat16) / _seconds(torch.float32)
    finally:
        torch.set_num_threads(threads)


def _seconds(dtype: torch.dtype) -> float:
    maps = torch.ones(2, 64, 16, 16, dtype=dtype)
    weight = torch.ones(64, 64, 3, 3, dtype=dtype, requires_grad=True)
    runs = []
    for _ in range(5):
        start = time.process_time()  # other work on the machine does not count
        F.conv2d(maps, weight, padding=1).sum().backward()
        runs.append(time.process_time() - start)
    return min(runs)
