"""A separate optimiser for the Gaussian mixture, next to the encoder's, and its check."""

import copy
import difflib
from collections.abc import ItemsView, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as HOST_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS, Registry
from torch import nn

from mmosr.config.lookup import registered_class
from mmosr.methods import GaussianMixture
from mmosr.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmosr.utils import InputError

from .joint_optimizer import JointOptimizer

DEFAULT = "DefaultOptimWrapperConstructor"
_NAMES = {
    "optimizer": OPTIMIZERS,
    "mixture": OPTIMIZERS,
    "constructor": HOST_CONSTRUCTORS,
    "encoder_constructor": HOST_CONSTRUCTORS,
}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MixtureOptimWrapperConstructor:
    """Give the mixture parameters (theta) their own optimiser.

    The encoder keeps the groups and rates set by its own constructor. Theta has gradients of
    another scale and needs Adam with a small rate and no weight decay, whatever the encoder uses;
    it follows the same schedule.

    Args:
        optim_wrapper_cfg: The keys of any ``optim_wrapper``, where ``optimizer`` is the encoder's,
            and two more. ``mixture``: the optimiser of theta, by default ``dict(type='Adam',
            lr=1e-3, betas=(0.9, 0.99))``; for another type only the given settings are used.
            ``encoder_constructor``: the ``constructor`` that the config would have without a
            mixture, such as one with layer-wise learning-rate decay.
        paramwise_cfg: For the encoder's constructor.

    Raises:
        InputError: The model holds no Gaussian mixture, or the encoder's constructor does not use
            a key of ``paramwise_cfg``.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        cfg = dict(optim_wrapper_cfg)
        mixture = {"type": "Adam", **(cfg.pop("mixture", None) or {})}
        if mixture["type"] == "Adam":
            mixture = {"lr": 1e-3, "betas": (0.9, 0.99), **mixture}
        self.mixture_cfg = mixture
        self.encoder_constructor = cfg.pop("encoder_constructor", None) or DEFAULT
        self.encoder_cfg = {key: cfg.pop(key) for key in ("optimizer",) if key in cfg}
        self.wrapper_cfg = {"type": "OptimWrapper", **cfg}
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The optimiser wrapper of a model."""
        mixtures = mixtures_of(model)
        if not mixtures:
            raise InputError(
                "optim_wrapper.constructor is MixtureOptimWrapperConstructor, but the model holds "
                "no Gaussian mixture: use it with L-GMM models, or remove the key"
            )
        theta = [p for mixture in mixtures for p in mixture.parameters()]
        with _without_parameters([part for mixture in mixtures for part in mixture.modules()]):
            encoder = self._encoder_wrapper(model).optimizer
        mixture = OPTIMIZERS.build(dict(self.mixture_cfg, params=theta))
        return OPTIM_WRAPPERS.build(
            dict(copy.deepcopy(self.wrapper_cfg), optimizer=JointOptimizer(encoder, mixture))
        )

    def _encoder_wrapper(self, model: nn.Module) -> OptimWrapper:
        paramwise = None if self.paramwise_cfg is None else _UsedKeys(self.paramwise_cfg)
        constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
            dict(
                type=self.encoder_constructor,
                optim_wrapper_cfg=copy.deepcopy(self.encoder_cfg),
                paramwise_cfg=paramwise,
            )
        )
        wrapper = constructor(model)
        unused = [key for key in self.paramwise_cfg or {} if key not in paramwise.used]
        # Some published configs have a misspelt `_delete_`, which is not a setting.
        unused = [key for key in unused if not key.startswith("_")]
        if unused:
            raise InputError(
                f"optim_wrapper.paramwise_cfg: {', '.join(unused)} would have no effect with "
                f"{self.encoder_constructor}: name the constructor that uses it, the one the "
                "config has without the mixture, as optim_wrapper.encoder_constructor, or remove "
                "the key"
            )
        return wrapper


def check_optimizer(cfg: Config, model: nn.Module) -> None:
    """Check that the optimizers exist and that a Gaussian mixture gets its own.

    Call it after setting the scope for looking up names, as a runner does.

    Args:
        cfg: Config whose ``optim_wrapper`` is checked.
        model: Built from it, wrapped or not.

    Raises:
        InputError: An optimizer or constructor named in ``optim_wrapper`` does not exist, or the
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
        f'optim_wrapper=dict(constructor="mmosr.{MixtureOptimWrapperConstructor.__name__}"'
        f"{encoder}), whose key mixture is the mixture's own optimizer, Adam by default"
    )


def _named(wrapper: Mapping, key: str, registry: Registry) -> type | None:
    """What a key of ``optim_wrapper`` names; None if it is not given."""
    kind = wrapper.get(key)
    kind = kind.get("type") if isinstance(kind, Mapping) else kind
    found = registered_class(registry, kind, None)
    if found is None and isinstance(kind, str):
        close = difflib.get_close_matches(kind, list(registry.module_dict), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise InputError(f"optim_wrapper.{key}: no {registry.name} '{kind}'{hint}")
    return found


def mixtures_of(model: nn.Module) -> list[GaussianMixture]:
    """The Gaussian mixtures of a model, whose parameters are theta."""
    return [module for module in model.modules() if isinstance(module, GaussianMixture)]


@contextmanager
def _without_parameters(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Hide the parameters of some modules from code that iterates over the model."""
    held = [module._parameters for module in modules]
    try:
        for module in modules:
            module._parameters = {}
        yield
    finally:
        for module, parameters in zip(modules, held, strict=True):
            module._parameters = parameters


class _UsedKeys(dict):
    """A copy of a dict that remembers which of its keys were read.

    Iterating over or copying it reads all keys; ``in`` and printing read none.
    """

    def __init__(self, content: dict) -> None:
        super().__init__(copy.deepcopy(dict(content)))
        self.used: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.used.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self.used.add(key)
        return super().pop(key, *default)

    def __iter__(self) -> Iterator[str]:
        self.used.update(self.keys())
        return super().__iter__()

    def items(self) -> ItemsView[str, Any]:
        self.used.update(self.keys())
        return super().items()
