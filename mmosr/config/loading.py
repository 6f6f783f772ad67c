"""Reading a config file with command-line options; misspelt keys are rejected."""

from __future__ import annotations

import copy
import difflib
import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmosr.utils.errors import InputError
from mmosr.utils.resources import find_config

_RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}
_TOP_LEVEL_KEYS = _RUNNER_KEYS | {
    "runner_type",
    "custom_imports",
    "tta_model",
    "tta_pipeline",
    "fit_dataloader",
}


def load_config(path: str | os.PathLike, cfg_options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and apply the command-line options.

    Args:
        path: The config file, see :func:`~mmosr.utils.resources.find_config`. Bases such as
            ``'mmseg::_base_/...'`` are found under either name of the OpenMMLab packages. A
            top-level ``data_preprocessor`` becomes the model's.
        cfg_options: Dotted keys and their values.

    Raises:
        InputError: The file is missing or does not parse, or a key has no effect because it is
            misspelt.
    """
    cfg = read_config(path)
    apply_options(cfg, cfg_options)
    set_data_preprocessor(cfg)
    return cfg


def read_config(path: str | os.PathLike) -> Config:
    """The first part of :func:`load_config`: the unchanged file."""
    path = find_config(path)
    if not path.is_file():
        raise InputError(f"config {path} does not exist")
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config file is Python code: it can raise anything
        text = " ".join(str(error).split())
        raise InputError(f"config {path} cannot be read: {type(error).__name__}: {text}") from error
    for key in cfg:
        if close := _misspelt(key):
            raise InputError(
                f"config {path}: unknown key '{key}', which would have no effect; "
                f"did you mean '{close}'?"
            )
    return cfg


def apply_options(cfg: Config, cfg_options: Mapping[str, Any] | None) -> None:
    """Change a config by dotted keys, like :func:`load_config`."""
    if not cfg_options:
        return
    _check_options(cfg, cfg_options)
    try:
        cfg.merge_from_dict(dict(cfg_options))
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"--cfg-options do not fit the config {cfg.filename}: {error}") from error


def set_data_preprocessor(cfg: Config) -> None:
    """Give the model the top-level ``data_preprocessor`` of a config, unless it has its own.

    As in mmengine's ``Runner`` and mmpretrain's ``get_model``: data-set files hold the mean and
    deviation of their images. Here every tool does it, with or without a runner.
    """
    if cfg.get("model") and cfg.get("data_preprocessor"):
        # A copy: a model may write into its part of the config.
        cfg.model.setdefault("data_preprocessor", copy.deepcopy(cfg.data_preprocessor))


def load_run_config(
    path: str | os.PathLike,
    cfg_options: Mapping[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = "none",
) -> Config:
    """:func:`load_config` for a runner: with ``work_dir`` and ``launcher``."""
    cfg = load_config(path, cfg_options)
    cfg.launcher, cfg.work_dir = launcher, work_dir or default_work_dir(cfg)
    return cfg


def default_work_dir(cfg: Config) -> str:
    """The work folder of the config itself, else ``work_dirs/NAME``."""
    return cfg.get("work_dir") or os.path.join("work_dirs", Path(cfg.filename).stem)


def set_scope(cfg: Config, default: str = "mmseg") -> None:
    """Make names resolve in the ``default_scope`` of a config."""
    init_default_scope(cfg.get("default_scope") or default)


def _misspelt(key: str) -> str | None:
    """The runner's key that a name resembles; None if it is a variable's name."""
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
            # A part may be new if its type is given as well.
            if child is None and f"{done}.{part}.type" not in options and node is not None:
                hint = f"; did you mean '{part}' at the top?" if part in cfg else _near(part, node)
                raise InputError(f"--cfg-options {key}: no '{part}' in {done}{hint}")
            node, done = child, f"{done}.{part}"
        if isinstance(node, (str, int, float)) and parts:
            raise InputError(f"--cfg-options {key}: {done} is {node!r} and has no parts")
        both = (options[key], _child(node, parts[-1])) if parts else ()
        if isinstance(node, (list, tuple)) and not all(isinstance(x, Mapping) for x in both):
            raise InputError(
                f"--cfg-options {key}: a list item cannot be set alone: give all of {done}=[...]"
            )


def _child(node: Any, key: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, (list, tuple)) and key.isdigit() and int(key) < len(node):
        return node[int(key)]
    return None


def _hint(cfg: Config, key: str) -> str:
    """A hint at where a key that is missing at the top may belong."""
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
