"""Whether a state dict fits a model, after the conversions the model makes while loading."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from mmosr.utils.errors import some


@dataclass
class Arrival:
    """The values that reach the modules, those the modules have, and the expected keys."""

    given: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def taken(self) -> list[str]:
        """Keys that fit."""
        return [key for key in self._both if _shape(self.given[key]) == _shape(self.own[key])]

    @property
    def unexpected(self) -> list[str]:
        """Keys that no module has."""
        return [key for key in self.given if key not in self.own]

    @property
    def reshaped(self) -> list[str]:
        """Keys whose values have another shape, with both shapes."""
        return [
            f"{key} {_shape(self.given[key])} instead of {_shape(self.own[key])}"
            for key in self._both
            if _shape(self.given[key]) != _shape(self.own[key])
        ]

    @property
    def _both(self) -> list[str]:
        return [key for key in self.own if key in self.given]


def differences(model: nn.Module, state: OrderedDict[str, Any]) -> str:
    """Describe how the keys and shapes of a state dict differ from those of a model.

    Many models convert a state dict while loading it, in hooks or overridden methods of their
    modules: keys are renamed, position embeddings resized to another image size, tables that the
    model computes itself removed. What arrives at the modules is compared.

    Args:
        model: Not wrapped; its weights do not change.
        state: The state dict, with ``_metadata`` if the file has it.

    Returns:
        Number of keys and the first of each kind of difference; empty if there are none.
    """
    failure = ""
    try:
        arrival = arrive(model, state)
    except Exception as error:  # the conversions are the host's and may fail in any way
        failure = failure_reason(error)
        own = model.state_dict()
        arrival = Arrival(state, own, [key for key in own if key not in state])
    kinds = {
        "missing": arrival.missing,
        "unexpected": arrival.unexpected,
        "of another shape": arrival.reshaped,
    }
    return ", ".join(in_words(kinds) + [failure] * bool(failure))


def failure_reason(error: Exception) -> str:
    """A message that a model failed to convert a state dict."""
    reason = (str(error).strip() or "no reason given").splitlines()[0][:200]
    return f"not converted by the model ({type(error).__name__}: {reason})"


def in_words(kinds: Mapping[str, Sequence[str]]) -> list[str]:
    """Number of keys and the first of each kind, without empty kinds."""
    return [f"{len(keys)} {kind} ({some(keys, 2)})" for kind, keys in kinds.items() if keys]


def arrive(model: nn.Module, state: OrderedDict[str, Any]) -> Arrival:
    """What arrives at the modules of a model from a state dict, see :func:`differences`.

    Raises:
        Exception: Whatever the conversions of the model raise.
    """
    arrival = _dry_load(model, state)
    missing = [key for key in arrival.missing if key not in state]
    if missing:
        # What the model always removes need not be in the file either.
        complete = copy.copy(state)
        complete.update((key, arrival.own.get(key)) for key in missing)
        taken_out = set(_dry_load(model, complete).missing)
        missing = [key for key in missing if key not in taken_out]
    arrival.missing = missing
    return arrival


def _dry_load(model: nn.Module, state: OrderedDict[str, Any]) -> Arrival:
    """Load like torch, except for copying the values; ``missing`` includes what was removed."""
    arrival = Arrival()

    def take(module: nn.Module, local: dict[str, Any], prefix: str, *_: Any) -> None:
        # The last hook of the module. Keys that no child will see end here, known or not.
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
