"""Whether a state dict fits a model, after the conversions that the model makes while it loads."""

from __future__ import annotations

import copy
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass
class _Arrival:
    """The values that reach the modules, those the modules have, and the keys waited for."""

    given: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def differences(model: nn.Module, state: OrderedDict[str, Any]) -> str:
    """Say in what the keys and shapes of a state dict differ from those of a model.

    Many models convert a state dict while they load it, in hooks or overridden methods of their
    modules: keys are renamed, position embeddings resized to another image size, tables that the
    model computes itself taken out. What arrives at the modules is compared.

    Args:
        model: Not wrapped; its weights do not change.
        state: With ``_metadata`` where the file has it.

    Returns:
        Number of keys and the first of each kind of difference; empty if there is none.
    """
    failure = ""
    try:
        arrival = _arrive(model, state)
    except Exception as error:  # the conversions are the host's and may fail in any way
        reason = (str(error).strip() or "no reason given").splitlines()[0][:200]
        failure = f"not converted by the model ({type(error).__name__}: {reason})"
        own = model.state_dict()
        arrival = _Arrival(state, own, [key for key in own if key not in state])
    given, own = arrival.given, arrival.own
    kinds = {
        "missing": arrival.missing,
        "unexpected": [key for key in given if key not in own],
        "of another shape": [
            f"{key} {_shape(given[key])} instead of {_shape(value)}"
            for key, value in own.items()
            if key in given and _shape(given[key]) != _shape(value)
        ],
    }
    found = [f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in kinds.items() if keys]
    return ", ".join(found + [failure] * bool(failure))


def _arrive(model: nn.Module, state: OrderedDict[str, Any]) -> _Arrival:
    arrival = _dry_load(model, state)
    missing = [key for key in arrival.missing if key not in state]
    if missing:
        # What the model takes out in any case need not be in the file either.
        complete = copy.copy(state)
        complete.update((key, arrival.own.get(key)) for key in missing)
        taken_out = set(_dry_load(model, complete).missing)
        missing = [key for key in missing if key not in taken_out]
    arrival.missing = missing
    return arrival


def _dry_load(model: nn.Module, state: OrderedDict[str, Any]) -> _Arrival:
    """Load as torch does, up to the copy of the values; ``missing`` has what was taken out too."""
    arrival = _Arrival()

    def take(module: nn.Module, local: dict[str, Any], prefix: str, *_: Any) -> None:
        # The last hook of the module. Whatever no child will see ends here, known or not.
        for name, value in {**module._parameters, **module._buffers}.items():
            if value is not None and name not in module._non_persistent_buffers_set:
                arrival.own[prefix + name] = value
        for key in [key for key in local if key.startswith(prefix)]:
            if module._modules.get(key[len(prefix) :].partition(".")[0]) is None:
                arrival.given[key] = local.pop(key)

    with ExitStack() as stack:
        for module in model.modules():
            hook = module._register_load_state_dict_pre_hook(take, with_module=True)
            stack.callback(hook.remove)
        waiting = model.load_state_dict(state, strict=False).missing_keys
    arrival.missing = [key for key in waiting if key not in arrival.given]
    return arrival


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if torch.is_tensor(value) else None


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:2]) + (", ..." if len(keys) > 2 else "")
