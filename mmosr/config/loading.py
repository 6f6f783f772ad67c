"""Reading a config, checking it, and fitting it to the machine."""

from __future__ import annotations

import copy
import difflib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.config import utils as config_utils
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmosr.utils.cpu import warn_of_slow_bfloat16
from mmosr.utils.environment import installed_version
from mmosr.utils.errors import InputError
from mmosr.utils.resources import find_config
from mmosr.utils.threads import use_free_processors

_RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}
_TOP_LEVEL_KEYS = _RUNNER_KEYS | {
    "runner_type",
    "custom_imports",
    "tta_model",
    "tta_pipeline",
    "fit_dataloader",
}
_AMP, _BFLOAT16 = "AmpOptimWrapper", "mmosr.BFloat16OptimWrapper"
_RENAMED = {
    "mmseg": ("mmsegmentation", "onedl-mmsegmentation"),
    "mmpretrain": ("mmpretrain", "onedl-mmpretrain"),
}


def load_config(path: str | os.PathLike, cfg_options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and apply the options of the command line.

    Args:
        path: The config file, see :func:`~mmosr.utils.resources.find_config`. Bases such as
            ``'mmseg::_base_/...'`` are found under either name of the OpenMMLab packages. A
            ``data_preprocessor`` at its top becomes the model's.
        cfg_options: Dotted keys and their values.

    Raises:
        InputError: If the file is missing or does not parse, or if a key cannot have an effect
            because it is misspelt.
    """
    cfg = read_config(path)
    apply_options(cfg, cfg_options)
    set_data_preprocessor(cfg)
    return cfg


def read_config(path: str | os.PathLike) -> Config:
    """The first part of :func:`load_config`: the file as it is."""
    path = find_config(path)
    if not path.is_file():
        raise InputError(f"config {path} does not exist")
    find_renamed_packages()
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config file is Python code: anything can be raised
        text = " ".join(str(error).split())
        raise InputError(f"config {path} cannot be read: {type(error).__name__}: {text}") from error
    _check_top_level(cfg, path)
    return cfg


def apply_options(cfg: Config, cfg_options: Mapping[str, Any] | None) -> None:
    """Change a config by dotted keys, as :func:`load_config`."""
    if not cfg_options:
        return
    _check_options(cfg, cfg_options)
    try:
        cfg.merge_from_dict(dict(cfg_options))
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"--cfg-options do not fit the config {cfg.filename}: {error}") from error


def set_data_preprocessor(cfg: Config) -> None:
    """Give the model the ``data_preprocessor`` at the top of a config, unless it has its own.

    As mmengine's ``Runner`` and mmpretrain's ``get_model`` do it: files of data sets hold the mean
    and deviation of their images. Here, every tool has it, with or without a runner.
    """
    if cfg.get("model") and cfg.get("data_preprocessor"):
        # A copy: a model may write into its part of the config.
        cfg.model.setdefault("data_preprocessor", copy.deepcopy(cfg.data_preprocessor))


def check_has(cfg: Config, path: str | os.PathLike, keys: Sequence[str], purpose: str) -> None:
    """Check that a config has what a tool needs.

    Args:
        cfg: The whole config.
        path: Its file, for the message.
        keys: Keys at the top, such as ``'test_dataloader'``.
        purpose: What they are for: ``'test'``.

    Raises:
        InputError: Naming the first key that is missing or None.
    """
    for key in keys:
        if cfg.get(key) is None:
            raise InputError(f"config {path} has no '{key}', so there is nothing to {purpose}")


def find_renamed_packages() -> None:
    """Let ``'mmseg::...'`` in configs resolve when only the renamed distribution is installed."""
    for module, (original, renamed) in _RENAMED.items():
        if installed_version(original) is None and installed_version(renamed) is not None:
            config_utils.MODULE2PACKAGE[module] = renamed


def set_work_dir(cfg: Config, path: str | os.PathLike, work_dir: str | None) -> None:
    """Set ``cfg.work_dir``: the option, else the config's own, else ``work_dirs/NAME``."""
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = os.path.join("work_dirs", Path(path).stem)


def enable_amp(cfg: Config) -> None:
    """Turn automatic mixed precision on.

    Raises:
        InputError: If the config has an optimizer wrapper of a kind that cannot be exchanged.
    """
    kind = cfg.optim_wrapper.get("type", "OptimWrapper")
    if kind == "OptimWrapper":
        cfg.optim_wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
    elif kind not in (_AMP, _BFLOAT16):
        raise InputError(f"--amp works with optim_wrapper.type='OptimWrapper', not '{kind}'")
    if not torch.cuda.is_available():
        warn_of_slow_bfloat16()


def fit_to_machine(cfg: Config, measure_load: bool = True) -> None:
    """Replace what only works on a GPU when there is none.

    SyncBN becomes BN, float16 mixed precision bfloat16, and processes talk over gloo; one alone
    takes the processors that are free.

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
    """Make the process group, for mmengine would select a GPU first, and wrap without a GPU."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    if not cfg.get("model_wrapper_cfg"):
        cfg.model_wrapper_cfg = dict(
            type="MMDistributedDataParallel",
            broadcast_buffers=False,
            find_unused_parameters=cfg.get("find_unused_parameters", False),
        )
    cfg.model_wrapper_cfg.setdefault("device_ids", None)


def replace_sync_bn(model: Any) -> int:
    """Change every ``type='SyncBN'`` inside a model's config to ``'BN'``; return how many."""
    found = [part for part in dicts(model) if part.get("type") in ("SyncBN", "mmengine.SyncBN")]
    for part in found:
        part["type"] = "BN"
    return len(found)


def check_data(cfg: Config, loaders: Sequence[str]) -> None:
    """Check that the image folders of some data loaders exist.

    Args:
        cfg: The whole config.
        loaders: Keys such as ``'train_dataloader'``.

    Raises:
        InputError: Naming the folder that is missing.
    """
    for loader in loaders:
        for dataset in dicts(cfg.get(loader) or {}):
            prefix = dataset.get("data_prefix")
            if not isinstance(prefix, Mapping) or "img_path" not in prefix:
                continue
            folder = os.path.join(dataset.get("data_root") or "", prefix["img_path"])
            if "://" not in folder and not os.path.isdir(folder):
                raise InputError(
                    f"{loader}: image folder {folder} does not exist; docs/data.md says how to "
                    "get and arrange each data set"
                )


def dicts(node: Any) -> Iterator[dict]:
    """All dicts inside a nested config, the outer ones first."""
    return (found for _, found in named_dicts(node, ""))


def named_dicts(node: Any, name: str) -> Iterator[tuple[str, dict]]:
    """The same with their dotted names; that of the node itself is ``name``."""
    items = enumerate(node) if isinstance(node, (list, tuple)) else ()
    if isinstance(node, dict):
        yield name, node
        items = list(node.items())
    for key, child in items:
        yield from named_dicts(child, f"{name}.{key}")


def _check_top_level(cfg: Config, path: str | os.PathLike) -> None:
    for key in cfg:
        close = _misspelt(key)
        if close:
            raise InputError(
                f"config {path}: unknown key '{key}', which would have no effect; "
                f"did you mean '{close}'?"
            )


def _misspelt(key: str) -> str | None:
    """The key of the runner that a name is nearly, None when it is a variable's name."""
    if key in _TOP_LEVEL_KEYS:
        return None
    close = difflib.get_close_matches(key, sorted(_TOP_LEVEL_KEYS), n=1, cutoff=0.9)
    # 'model_2' or 'train_dataloader_small' is a variable, not a slip.
    if not close or re.match(rf"{close[0]}[_\d]", key):
        return None
    return close[0]


def _check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    for key in options:
        first, *parts = key.split(".")
        if first not in cfg and first not in _TOP_LEVEL_KEYS:
            raise InputError(f"--cfg-options: no '{first}' in the config{_hint(cfg, first)}")
        node, done = cfg.get(first), first
        for part in parts[:-1]:
            child = _child(node, part)
            # A part may be new when its type is given as well.
            if child is None and f"{done}.{part}.type" not in options and node is not None:
                hint = f"; did you mean '{part}' at the top?" if part in cfg else _near(part, node)
                raise InputError(f"--cfg-options {key}: no '{part}' in {done}{hint}")
            node, done = child, f"{done}.{part}"
        if isinstance(node, (str, int, float)) and parts:
            raise InputError(f"--cfg-options {key}: {done} is {node!r} and has no parts")
        both = (options[key], _child(node, parts[-1])) if parts else ()
        if isinstance(node, (list, tuple)) and not all(isinstance(x, Mapping) for x in both):
            raise InputError(
                f"--cfg-options {key}: an item of a list is not set alone: give all of {done}=[...]"
            )


def _child(node: Any, key: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, (list, tuple)) and key.isdigit() and int(key) < len(node):
        return node[int(key)]
    return None


def _hint(cfg: Config, key: str) -> str:
    """Where a key that is missing at the top may have been meant."""
    close = difflib.get_close_matches(key, sorted(_TOP_LEVEL_KEYS | set(cfg)), n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    places = [f"{top}.{key}" for top, part in cfg.items() if _child(part, key) is not None]
    return f"; did you mean '{places[0]}'?" if places else ""


def _near(key: str, node: Any) -> str:
    if isinstance(node, (list, tuple)):
        return f", a list of {len(node)}"
    if not isinstance(node, Mapping):
        return ""
    close = difflib.get_close_matches(key, list(map(str, node)), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; it has {', '.join(map(str, node))}"
