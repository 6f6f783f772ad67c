"""Adapting a config to the machine, and setting up the processes that run it."""

from __future__ import annotations

import copy
import functools
import logging
import time
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import print_log
from mmengine.utils.dl_utils import set_multi_processing

from mmosr.utils.errors import InputError
from mmosr.utils.threads import use_free_processors

from .lookup import dicts

SLOW = 1.5
_AMP, _BFLOAT16 = "AmpOptimWrapper", "mmosr.BFloat16OptimWrapper"


def enable_amp(cfg: Config) -> None:
    """Turn automatic mixed precision on.

    Raises:
        InputError: The optimizer wrapper of the config cannot be replaced.
    """
    kind = cfg.optim_wrapper.get("type", "OptimWrapper")
    if kind == "OptimWrapper":
        cfg.optim_wrapper.update(type=_AMP, loss_scale="dynamic")
    elif kind not in (_AMP, _BFLOAT16):
        raise InputError(f"--amp works with optim_wrapper.type='OptimWrapper', not '{kind}'")
    if not torch.cuda.is_available() and (slowdown := bfloat16_slowdown()) > SLOW:
        print_log(
            f"a convolution takes {slowdown:.3g} times as long in bfloat16 as in float32 on this "
            "CPU: leave out --amp, unless you want the rounding of bfloat16",
            logger="current",
            level=logging.WARNING,
        )


def fit_to_machine(cfg: Config, measure_load: bool = True) -> None:
    """Replace what only works on a GPU if there is none.

    SyncBN becomes BN, float16 mixed precision becomes bfloat16, and processes communicate over
    gloo; a single process uses the free processors.

    Args:
        cfg: Changed in place.
        measure_load: See :func:`~mmosr.utils.threads.use_free_processors`.
    """
    if torch.cuda.is_available():
        return
    if cfg.get("optim_wrapper", {}).get("type") == _AMP:
        cfg.optim_wrapper.type = _BFLOAT16
        for key in ("loss_scale", "dtype", "use_fsdp"):
            cfg.optim_wrapper.pop(key, None)
        print_log("No GPU is available: mixed precision uses bfloat16.", logger="current")
    if replace_sync_bn(cfg.get("model", {})):
        print_log("No GPU is available: SyncBN in the model is replaced by BN.", logger="current")
    if not cfg.get("env_cfg"):
        cfg.env_cfg = {}
    cfg.env_cfg.setdefault("dist_cfg", {})["backend"] = "gloo"
    launcher = cfg.get("launcher") or "none"
    if launcher == "pytorch":
        _prepare_cpu_group(cfg)
    elif launcher == "none":
        use_free_processors(measure_load)


def _prepare_cpu_group(cfg: Config) -> None:
    """Create the process group, since mmengine would select a GPU first, and wrap without a GPU."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    if not cfg.get("model_wrapper_cfg"):
        cfg.model_wrapper_cfg = dict(
            type="MMDistributedDataParallel",
            broadcast_buffers=False,
            find_unused_parameters=cfg.get("find_unused_parameters", False),
        )
    cfg.model_wrapper_cfg.setdefault("device_ids", None)


def start_processes(cfg: Config, launcher: str) -> None:
    """Prepare the processes of a run without a runner as a runner would.

    Several processes form a process group, unless there is one; a single one uses the processors
    that its container allows, so that a resumed run gives the same digits.

    Args:
        cfg: Config whose ``env_cfg`` is used; not changed.
        launcher: What started the processes, as mmengine names it.
    """
    own = Config(dict(launcher=launcher, env_cfg=copy.deepcopy(cfg.get("env_cfg") or {})))
    fit_to_machine(own, measure_load=False)
    # OpenCV in the processes that load images must not use all processors.
    set_multi_processing(**own.env_cfg.get("mp_cfg", {}), distributed=launcher != "none")
    if launcher != "none" and not is_distributed():
        init_dist(launcher, **own.env_cfg.get("dist_cfg", {}))


def replace_sync_bn(model: Any) -> int:
    """Change every ``type='SyncBN'`` inside a model's config to ``'BN'``; return how many."""
    found = [part for part in dicts(model) if part.get("type") in ("SyncBN", "mmengine.SyncBN")]
    for part in found:
        part["type"] = "BN"
    return len(found)


@functools.cache
def bfloat16_slowdown() -> float:
    """How many times slower a convolution and its gradient are in bfloat16 than in float32.

    Measured in a fraction of a second, on one thread: below 1 if the CPU has instructions for
    bfloat16; 20 and more were seen with AVX2 only.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads would wait for each other on a busy machine
    try:
        return _seconds(torch.bfloat16) / _seconds(torch.float32)
    finally:
        torch.set_num_threads(threads)


def _seconds(dtype: torch.dtype) -> float:
    maps = torch.ones(2, 64, 16, 16, dtype=dtype)
    weight = torch.ones(64, 64, 3, 3, dtype=dtype, requires_grad=True)
    runs = []
    for _ in range(5):
        start = time.process_time()  # other load on the machine does not count
        F.conv2d(maps, weight, padding=1).sum().backward()
        runs.append(time.process_time() - start)
    return min(runs)
