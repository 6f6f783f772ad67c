"""Checkpoints by name: files, and the weights that come with the package as ``mmosr://NAME``.

These are safetensors files, which hold tensors and strings and cannot run code. mmengine also reads
them once this module is imported: in ``load_from`` and in ``init_cfg=dict(type='Pretrained')``.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmosr.utils import InputError

SCHEME = "mmosr://"
SUFFIX = ".safetensors"
FOLDER = Path(__file__).parents[1] / "weights"
# Keys of the strings in a file.
DATASET_META, SOURCE, VERSIONS = "dataset_meta", "source", "versions"


def is_packaged(name: str | os.PathLike) -> bool:
    """Whether a checkpoint comes with the package, ``mmosr://NAME``."""
    return os.fspath(name).startswith(SCHEME)


def checkpoint_file(name: str | os.PathLike) -> Path:
    """The file of a checkpoint.

    Args:
        name: A path, or ``mmosr://NAME`` for ``mmosr/weights/NAME.safetensors`` of the package.

    Raises:
        InputError: The file does not exist; for a name of the package the message lists those that
            exist.
    """
    if not is_packaged(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(f"checkpoint {path} does not exist")
        return path
    found = {path.stem: path for path in sorted(FOLDER.glob(f"[!.]*{SUFFIX}"))}
    wanted = os.fspath(name).removeprefix(SCHEME)
    if wanted not in found:
        known = ", ".join(SCHEME + stem for stem in found)
        there = f"choose from {known}" if found else f"no weights are installed in {FOLDER}"
        raise InputError(f"checkpoint {name} does not come with this version of mmosr: {there}")
    return found[wanted]


def read_safetensors(path: Path) -> dict[str, Any]:
    """Read a safetensors file as a checkpoint.

    Args:
        path: An existing file, of any origin.

    Returns:
        ``state_dict`` with the tensors on the CPU, 16-bit ones widened to float32 and all others
        unchanged; ``meta`` with ``dataset_meta`` and ``source`` if the file has them.

    Raises:
        InputError: The file is damaged or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            strings = file.metadata() or {}
            state = OrderedDict((key, _widen(file.get_tensor(key))) for key in file.keys())
        meta: dict[str, Any] = {key: strings[key] for key in (SOURCE,) if key in strings}
        if DATASET_META in strings:
            meta[DATASET_META] = _parse(strings, DATASET_META)
        versions = _parse(strings, VERSIONS)
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a checkpoint, or is damaged ({reason})") from error
    # The versions by which modules of mmcv and mmpretrain choose their conversions.
    state._metadata = OrderedDict((key, {"version": value}) for key, value in versions.items())
    return {"state_dict": state, "meta": meta}


def _widen(value: Tensor) -> Tensor:
    # Always a copy: the tensor is in the memory-mapped file, which may change.
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value.clone()


def _parse(strings: Mapping[str, str], key: str) -> dict[str, Any]:
    value = json.loads(strings.get(key, "{}"))
    if not isinstance(value, dict):
        raise ValueError(f"{key} is a {type(value).__name__}, not a dict")
    return value


# mmengine treats the prefixes as regular expressions, and logs the rest of the function's name.
# Remote files are left to its own readers.
@CheckpointLoader.register_scheme(prefixes=[SCHEME, rf"(?!\S+://).+\{SUFFIX}$"])
def load_from_safetensors(
    filename: str, map_location: str | torch.device | None = None
) -> dict[str, Any]:
    """Read a checkpoint for mmengine, see :func:`read_safetensors`.

    Args:
        filename: See :func:`checkpoint_file`.
        map_location: Device of the tensors; default: the CPU.
    """
    content = read_safetensors(checkpoint_file(filename))
    state = content["state_dict"]
    for key, value in state.items():
        state[key] = value.to(map_location or "cpu")
    return content
