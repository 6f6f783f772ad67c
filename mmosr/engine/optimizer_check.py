"""Checks of ``optim_wrapper`` against the model, before anything is trained."""

import difflib
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS, Registry
from torch import nn

from mmosr.config.lookup import registered_class
from mmosr.utils import InputError

from .mixture_optimizer import MixtureOptimWrapperConstructor, mixtures_of

_NAMES = {
    "optimizer": OPTIMIZERS,
    "mixture": OPTIMIZERS,
    "constructor": OPTIM_WRAPPER_CONSTRUCTORS,
    "encoder_constructor": OPTIM_WRAPPER_CONSTRUCTORS,
}
_OWN = f"mmosr.{MixtureOptimWrapperConstructor.__name__}"


def check_optimizer(cfg: Config, model: nn.Module) -> None:
    """Check that the optimizers exist and that a Gaussian mixture gets one of its own.

    Call it once the scope is set in which names are looked up, as a runner does.

    Args:
        cfg: The whole config.
        model: Built from it, wrapped or not.

    Raises:
        InputError: No optimizer or constructor has a name that ``optim_wrapper`` gives, or the
            model holds a mixture (L-GMM) that would be trained with the encoder's optimizer.
    """
    wrapper = cfg.get("optim_wrapper") or {}
    kinds = {key: _named(wrapper, key, registry) for key, registry in _NAMES.items()}
    own = kinds["constructor"]
    if not mixtures_of(model) or (
        own is not None and issubclass(own, MixtureOptimWrapperConstructor)
    ):
        return
    present = wrapper.get("constructor")
    encoder = f', encoder_constructor="{present}"' if isinstance(present, str) else ""
    raise InputError(
        "the mixture of L-GMM would be trained with the encoder's optimizer: set "
        f'optim_wrapper=dict(constructor="{_OWN}"{encoder}), whose key mixture is the mixture\'s '
        "own optimizer, Adam by default"
    )


def _named(wrapper: Mapping, key: str, registry: Registry) -> type | None:
    """What a key of ``optim_wrapper`` names, None where it is not given."""
    kind = wrapper.get(key)
    kind = kind.get("type") if isinstance(kind, Mapping) else kind
    found = registered_class(registry, kind, None)
    if found is None and isinstance(kind, str):
        close = difflib.get_close_matches(kind, list(registry.module_dict), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise InputError(f"optim_wrapper.{key}: no {registry.name} '{kind}'{hint}")
    return found
