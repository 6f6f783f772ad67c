"""What a model takes from ``load_from`` before training, and what a training is resumed from.

mmengine loads whatever fits and continues, even if nothing does. Here one line says how much was
loaded, and a file is rejected if almost nothing in it fits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmosr.utils import InputError

from .arriving_weights import Arrival, arrive, failure_reason, in_words
from .checkpoint import check_safe, unwrap, weights_of

# Share of all parameter values: less may fit by chance, such as the norms of another network.
LEAST_SHARE = 0.01
_HOST = ".host."


def prepare_start(runner: Runner, cfg: Config, trust: bool = False) -> None:
    """Check what a training starts from; call it before ``runner.train()``.

    With ``load_from`` alone the runner gets a :class:`StartingWeightsHook`. With ``resume`` as
    well, every weight must fit, and the checkpoint must hold the training state.

    Args:
        runner: Built from ``cfg``, the whole config.
        cfg: Config that names the checkpoint.
        trust: See :func:`~mmosr.engine.checkpoint.read_checkpoint`.

    Raises:
        InputError: The checkpoint cannot be resumed.
    """
    name = cfg.get("load_from")
    if not name:
        return
    if not cfg.get("resume"):
        runner.register_hook(StartingWeightsHook(name))
        return
    content = check_safe(name, trust, runner.model)
    # mmengine writes it into every training checkpoint.
    if content is not None and "message_hub" not in content:
        raise InputError(
            f"checkpoint {name} holds weights but no training state (optimizer, message_hub), "
            "so nothing can be resumed from it: to start from its weights leave out --resume and "
            f"give --cfg-options load_from={name}"
        )


class StartingWeightsHook(Hook):
    """Logs what the model takes from ``load_from``, and lets decode heads find their weights.

    An open-set head keeps its host's weights as ``decode_head.host.X``, a plain head as
    ``decode_head.X``: they are renamed, so that either can start from the other. What the file does
    not have, such as the last layer, keeps its initialisation.

    Args:
        name: What to call the checkpoint.
    """

    priority = "VERY_HIGH"  # before hooks that copy the weights, such as EMAHook

    def __init__(self, name: str) -> None:
        self.name = name

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Rename the weights in the checkpoint, and log what fits.

        Raises:
            InputError: Almost nothing fits.
        """
        model = unwrap(runner.model)
        given = weights_of(checkpoint, self.name)
        state = rename_hosts(given, model.state_dict().keys())
        runner.logger.info(describe_start(model, state, self.name, given))
        checkpoint["state_dict"] = state


def rename_hosts(state: OrderedDict[str, Tensor], own: Collection[str]) -> OrderedDict[str, Tensor]:
    """Rename weights to match a model with, or without, an open-set head.

    Args:
        state: The weights in a file.
        own: Names of the weights of the model.

    Returns:
        The same weights in the same order, with ``.host.`` added to or removed from names where
        that makes them names of the model.
    """
    places = {key.replace(_HOST, ".", 1): key for key in own}
    renamed = OrderedDict()
    for key, value in state.items():
        place = key if key in own else places.get(key.replace(_HOST, ".", 1), key)
        renamed[key if place in state else place] = value
    if hasattr(state, "_metadata"):
        renamed._metadata = state._metadata
    return renamed


def describe_start(
    model: nn.Module, state: OrderedDict[str, Tensor], name: str, given: Mapping[str, Tensor]
) -> str:
    """One line: how many weights a model takes from a file, and which it does not.

    Args:
        model: Not wrapped; its weights do not change.
        state: The weights, by the model's names.
        name: What to call the file.
        given: The same weights by their names in the file, in the same order.

    Raises:
        InputError: Almost nothing fits, or the model cannot convert the weights.
    """
    try:
        arrival = arrive(model, state)
    except Exception as error:  # the conversions are the host's and may fail in any way
        raise InputError(
            f"load_from={name} is for another model: {failure_reason(error)}"
        ) from error
    line = ", ".join(_parts(arrival, list(zip(given, state, strict=True))))
    sizes = {key: value.numel() for key, value in model.named_parameters()}
    taken = sum(sizes.get(key, 0) for key in arrival.taken)
    if taken < LEAST_SHARE * max(sum(sizes.values()), 1):
        raise InputError(f"load_from={name} is for another model: {line}")
    return f"load_from={name}: {line}"


def _parts(arrival: Arrival, names: list[tuple[str, str]]) -> list[str]:
    taken, own = _without_counters(arrival.taken), _without_counters(arrival.own)
    kinds = {
        "renamed": [f"{old} to {new}" for old, new in names if old != new],
        "not in the file": arrival.missing,
        "of another shape": arrival.reshaped,
        "not used": arrival.unexpected,
    }
    kinds = {kind: _without_counters(keys) for kind, keys in kinds.items()}
    return [f"{len(taken)} of {len(own)} weights taken", *in_words(kinds)]


def _without_counters(keys: Collection[str]) -> list[str]:
    """Without the counters of batch norm, which it recreates if a file lacks them."""
    return [key for key in keys if not key.endswith(".num_batches_tracked")]
