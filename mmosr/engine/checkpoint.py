"""Reading checkpoints: without running code from the file, and only into the right model."""

from __future__ import annotations

import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from mmosr.utils import InputError

from .arriving_weights import differences
from .packaged_weights import SCHEME, SUFFIX, checkpoint_file, read_safetensors

# Key of the fitted statistics of post-hoc scores, next to the state dict.
SCORE_STATISTICS = "score_statistics"
_STATISTICS = ("min", "max", "mean", "current")
# Types of the arrays and scalars in the logs and random states that mmengine saves.
_DTYPE_CODES = "?bBhHiIlLqQefdgFDSU"
_REMOTE = re.compile(rf"(?!{SCHEME})[\w-]+:(//|s3:)")


def _statistic(owner: Any, name: str) -> Any:
    """Stand-in for ``getattr``, which a pickled ``HistoryBuffer`` uses to name its statistics.

    The real ``getattr`` would let a file reach any attribute of any object.
    """
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f"getattr({owner!r}, {name!r}) is not allowed")
    return getattr(owner, name)


def _safe_globals() -> dict[str, Any]:
    """What a checkpoint of mmengine may name besides tensors, by full path."""
    allowed: dict[str, Any] = {
        "builtins.getattr": _statistic,
        "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
    }
    # NumPy 2 renamed the module; files of either version are read with either version.
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed[f"{module}._reconstruct"] = np.zeros(0).__reduce__()[0]
        allowed[f"{module}.scalar"] = np.float64(0).__reduce__()[0]
    for code in _DTYPE_CODES:
        kind = type(np.dtype(code))
        allowed[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return allowed


class _RestrictedUnpickler(pickle.Unpickler):
    """For torch before 2.6, where more types cannot be added to the ``weights_only`` reader."""

    def find_class(self, module: str, name: str) -> Any:
        from torch._weights_only_unpickler import _get_allowed_globals

        module = {"__builtin__": "builtins"}.get(module, module)
        path = f"{module}.{name}"
        allowed = {**_get_allowed_globals(), "_codecs.encode": _encode, **_safe_globals()}
        if path not in allowed:
            raise pickle.UnpicklingError(f"the file names {path}")
        return allowed[path]


def _encode(text: str, encoding: str) -> bytes:
    """Bytes of an old pickle protocol, which are stored as text in only one encoding."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


_RESTRICTED_PICKLE = SimpleNamespace(
    __name__="restricted_pickle",
    Unpickler=_RestrictedUnpickler,
    load=lambda file, **options: _RestrictedUnpickler(file, **options).load(),
)


def _load_safely(path: Path) -> Any:
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    if (major, minor) < (2, 6):
        return torch.load(path, map_location="cpu", pickle_module=_RESTRICTED_PICKLE)
    allowed = [(value, name) for name, value in _safe_globals().items()]
    with torch.serialization.safe_globals(allowed):
        return torch.load(path, map_location="cpu", weights_only=True)


def read_checkpoint(path: str | os.PathLike, trust: bool = False) -> dict[str, Any]:
    """Read a checkpoint file without running code from it.

    Tensors, plain Python containers, NumPy arrays and mmengine's log history are read, which is all
    that mmengine saves. Pickle could otherwise call any function named in the file.

    Args:
        path: A local file, with the suffix ``.safetensors`` for that format, or ``mmosr://NAME``:
            see :func:`~mmosr.engine.packaged_weights.checkpoint_file`.
        trust: Read arbitrary Python objects too. Only for your own files.

    Returns:
        The content of the file, with tensors on the CPU.

    Raises:
        InputError: The file does not exist, is not a checkpoint, or holds other Python objects and
            ``trust`` is false.
    """
    path = checkpoint_file(path)
    if path.suffix == SUFFIX:
        return read_safetensors(path)
    try:
        if trust:
            content = torch.load(path, map_location="cpu", weights_only=False)
        else:
            content = _load_safely(path)
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, error)) from error
    except (RuntimeError, EOFError, ValueError, KeyError, UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"{path} is not a checkpoint, or is damaged ({_first_line(error)})"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def check_safe(
    path: str | os.PathLike, trust: bool = False, model: nn.Module | None = None
) -> dict[str, Any] | None:
    """Check a checkpoint before mmengine reads it.

    mmengine's own reader falls back to unrestricted unpickling when the safe way fails, and skips
    weights that do not fit, so this must come first.

    Args:
        path: See :func:`read_checkpoint`. A remote file cannot be checked, and is rejected unless
            it is trusted and mmengine can read it.
        trust: See :func:`read_checkpoint`.
        model: The model that must fit, see :func:`check_fits`; default: any.

    Returns:
        The content of the file; None for a remote one.

    Raises:
        InputError: See :func:`read_checkpoint` and :func:`check_fits`.
    """
    if _REMOTE.match(str(path)):
        pickled = not str(path).endswith(SUFFIX)  # mmengine downloads nothing else
        if trust and pickled:
            return None
        hint = ", or pass --trust-checkpoint if you trust where it comes from" if pickled else ""
        raise InputError(
            f"{path} is not a local file and cannot be checked before it is read; download it{hint}"
        )
    content = read_checkpoint(path, trust)
    if model is not None:
        check_fits(model, content, path)
    return content


def load_checkpoint_strict(
    model: nn.Module, path: str | os.PathLike, trust: bool = False
) -> dict[str, Any]:
    """Load a checkpoint into the model it was saved from, and no other.

    Args:
        model: May be wrapped for distribution or test-time augmentation.
        path: A file written by mmengine, or one with a bare ``state_dict``.
        trust: See :func:`read_checkpoint`.

    Returns:
        The content of the file; its ``meta`` holds, among others, the classes.

    Raises:
        InputError: See :func:`read_checkpoint`; or a key is missing, unexpected, or of another
            shape. The model is then unchanged.
    """
    checkpoint = read_checkpoint(path, trust)
    load_weights(model, checkpoint, path)
    return checkpoint


def load_weights(model: nn.Module, checkpoint: dict[str, Any], name: str | os.PathLike) -> None:
    """Load weights if they pass :func:`check_fits`; else the model is unchanged."""
    # Not strict: what the model itself removes from the state dict would count as missing.
    unwrap(model).load_state_dict(check_fits(model, checkpoint, name), strict=False)


def load_statistics(model: nn.Module, checkpoint: dict[str, Any]) -> None:
    """Load the fitted statistics in a checkpoint into the scores that need them.

    Scores without statistics in the checkpoint stay unfitted, and raise when they are used.

    Raises:
        InputError: The statistics are for another score or another number of classes or features.
    """
    model = unwrap(model)
    if hasattr(model, "load_score_statistics"):
        model.load_score_statistics(checkpoint.get(SCORE_STATISTICS, {}))


def check_fits(
    model: nn.Module, checkpoint: dict[str, Any], name: str | os.PathLike
) -> OrderedDict[str, torch.Tensor]:
    """Compare the weights in a checkpoint with those of a model.

    They are compared as they arrive in the model, see
    :func:`~mmosr.engine.arriving_weights.differences`.

    Args:
        model: See :func:`load_checkpoint_strict`.
        checkpoint: Content of a checkpoint file.
        name: What to call the checkpoint in an error.

    Returns:
        The weights, without the prefix of a distributed wrapper, not yet converted.

    Raises:
        InputError: One line with the number of keys that differ and the first of each kind.
    """
    state = weights_of(checkpoint, name)
    found = differences(unwrap(model), state)
    if found:
        raise InputError(
            f"checkpoint {name} is for another model: keys {found}; "
            "use the config it was trained with"
        )
    return state


def weights_of(
    checkpoint: dict[str, Any], name: str | os.PathLike
) -> OrderedDict[str, torch.Tensor]:
    """The weights in a checkpoint, without the prefix of a distributed wrapper.

    Raises:
        InputError: There are none.
    """
    weights = checkpoint.get("state_dict", checkpoint)
    if not isinstance(weights, dict) or not any(torch.is_tensor(v) for v in weights.values()):
        raise InputError(f"checkpoint {name} holds no weights (no state_dict)")
    state = OrderedDict((re.sub(r"^module\.", "", key), v) for key, v in weights.items())
    versions = getattr(weights, "_metadata", None)
    if versions is not None:
        # Versions that decide which conversions a module needs.
        state._metadata = {re.sub(r"^module(\.|$)", "", key): v for key, v in versions.items()}
    return state


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside the wrappers for distribution and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _first_line(error: Exception) -> str:
    # torch puts a page of advice before the reason.
    text = str(error).split("WeightsUnpickler error: ")[-1].strip()
    return (text or type(error).__name__).splitlines()[0][:200]


def _refusal(path: Path, error: Exception) -> str:
    # torch explains over many lines; the name of the refused object is what matters.
    match = re.search(r"GLOBAL ([\w.]+)|names ([\w.]+)", str(error))
    if match is None:
        return f"{path} is not a checkpoint, or is damaged or unsafe ({_first_line(error)})"
    return (
        f"checkpoint {path} holds a Python object that could run code when it is read "
        f"({match.group(1) or match.group(2)}); if the file is your own, pass --trust-checkpoint"
    )
