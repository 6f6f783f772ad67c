"""Weights of a checkpoint in a small file, which can be part of the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from mmosr.engine.checkpoint import weights_of
from mmosr.engine.packaged_weights import DATASET_META, SOURCE, SUFFIX, VERSIONS
from mmosr.methods.mixture import REBUILT
from mmosr.runs.files import atomic_write
from mmosr.utils import InputError

_INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32)
# What mmengine notes about a training, in the order of the sentence.
_NOTES = {"experiment_name": "experiment", "epoch": "epoch", "iter": "iteration", "seed": "seed"}


@dataclass(frozen=True)
class Packed:
    """A file that was written.

    Attributes:
        size: Bytes.
        tensors: Number of tensors.
        rounding: The largest error from rounding to float16, relative to the largest magnitude in
            the same tensor.
        roundest: Name of that tensor; empty if none has floating point.
        source: How the weights were made.
        left_out: Other parts of the checkpoint, such as ``optimizer``.
    """

    size: int
    tensors: int
    rounding: float
    roundest: str
    source: str
    left_out: list[str]


def pack_weights(
    content: Mapping[str, Any],
    out: Path,
    name: str,
    source: str | None = None,
    max_bytes: int | None = None,
) -> Packed:
    """Write the weights of a checkpoint as safetensors.

    Floating-point tensors become float16, integers the smallest type that holds their values.
    What an assignment memory of L-GMM reconstructs from its counts is left out.
    Classes, palette, ``source`` and the versions of the modules' formats are kept as text; see
    :func:`~mmosr.engine.packaged_weights.read_safetensors` for the way back.

    Args:
        content: Content of a checkpoint file.
        out: The file to write, whole or not at all.
        name: What to call the checkpoint in an error.
        source: How the weights were made; default: what mmengine has noted.
        max_bytes: Largest file allowed; default: any.

    Raises:
        InputError: There are no weights, one is not finite or beyond float16, or the file would
            be too large.
    """
    if out.suffix != SUFFIX:
        raise InputError(f"{out}: the name of packed weights must end in {SUFFIX}")
    state = weights_of(content, name)
    meta = content.get("meta") or {}
    source = _noted(meta) if source is None else source
    tensors, rounding = {}, {"": 0.0}
    for key, value in state.items():
        if _is_rebuilt(key, state):
            continue
        tensors[key] = narrow(value, f"{name}: weight {key}")
        if value.is_floating_point() and value.numel():
            rounding[key] = _rounding(value, tensors[key])
    roundest = max(rounding, key=rounding.get)
    strings = {**_dataset_meta(meta), SOURCE: source, VERSIONS: _versions(state)}
    with atomic_write(out) as temporary:
        save_file(tensors, temporary, strings)
        size = temporary.stat().st_size
        if max_bytes is not None and size > max_bytes:
            raise InputError(
                f"{out} would have {size} bytes, more than the {max_bytes} of --max-bytes; use a "
                "smaller model"
            )
    left_out = sorted(map(str, content.keys() - {"state_dict", "meta"}))
    return Packed(
        size=size,
        tensors=len(tensors),
        rounding=rounding[roundest],
        roundest=roundest,
        source=source,
        left_out=left_out if "state_dict" in content else [],
    )


def _is_rebuilt(key: str, state: Mapping[str, Tensor]) -> bool:
    """Whether the key is of an assignment memory, which reconstructs it from its counts."""
    prefix, _, name = key.rpartition(".")
    return name in REBUILT and {f"{prefix}.counts", f"{prefix}.class_counts"} <= state.keys()


def narrow(value: Tensor, what: str) -> Tensor:
    """A copy of a tensor in the smallest type that is packed.

    Args:
        value: Real numbers become float16, rounded; integers keep their values, and bool its type.
        what: What to call the tensor in an error.

    Raises:
        InputError: A value is not finite, beyond float16, or complex.
    """
    value = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    if value.is_complex():
        raise InputError(f"{what} has complex values, which float16 cannot hold")
    if value.is_floating_point():
        if not value.isfinite().all():
            raise InputError(f"{what} holds NaN or infinite values; check the checkpoint")
        half = value.half()
        if not half.isfinite().all():
            raise InputError(
                f"{what} holds {value.abs().max().item():g}, beyond the largest float16, 65504"
            )
        return half
    if value.dtype == torch.bool or not value.numel():
        return value
    low, high = value.min().item(), value.max().item()
    for dtype in _INTEGERS:
        limits = torch.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return value.to(dtype)
    return value


def _rounding(value: Tensor, packed: Tensor) -> float:
    exact = value.detach().cpu().double()
    largest = exact.abs().max().item()
    return (packed.double() - exact).abs().max().item() / largest if largest else 0.0


def _dataset_meta(meta: Mapping[str, Any]) -> dict[str, str]:
    """Classes and palette as text, where the checkpoint has them."""
    given = meta.get("dataset_meta") or {}
    kept: dict[str, Any] = {}
    if given.get("classes") is not None:
        kept["classes"] = [str(name) for name in given["classes"]]
    if given.get("palette") is not None:
        kept["palette"] = np.asarray(given["palette"]).tolist()
    return {DATASET_META: _dump(kept)} if kept else {}


def _versions(state: Mapping[str, Tensor]) -> str:
    """Format versions other than 1, by module."""
    known = getattr(state, "_metadata", {})
    versions = {key: part.get("version") for key, part in known.items()}
    return _dump({key: value for key, value in versions.items() if value not in (None, 1)})


def _noted(meta: Mapping[str, Any]) -> str:
    """How the weights were made, by what mmengine has noted."""
    return ", ".join(f"{word} {meta[key]}" for key, word in _NOTES.items() if key in meta)


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
