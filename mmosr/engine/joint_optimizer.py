"""One optimiser step over two optimisers: the encoder's and the density's."""

import copy
from typing import Any

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn
from torch.optim import Optimizer

from mmosr.methods import GaussianMixture
from mmosr.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmosr.utils import InputError


class JointOptimizer(Optimizer):
    """Several optimisers, each with parameters of its own, that step together.

    To a runner it is one optimiser, so gradient scaling, accumulation, clipping, schedules and
    checkpoints work as ever. A schedule multiplies the learning rate of every group.

    Args:
        optimizers: The optimisers; ``defaults`` (and the logged base learning rate) are those of
            the first.
    """

    def __init__(self, *optimizers: Optimizer) -> None:
        params = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        super().__init__(params, dict(optimizers[0].defaults))
        self.optimizers = optimizers
        self._link()

    def _link(self) -> None:
        # The very same group dicts: a scheduler that changes one changes it for its optimiser.
        self.param_groups = [group for o in self.optimizers for group in o.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            # Once for all: a second call would see parameters that have moved already.
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict:
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict) -> None:
        states = state_dict.get("optimizers", [])
        if len(states) != len(self.optimizers):
            raise InputError(
                f"the checkpoint holds the state of {len(states) or 1} optimiser(s) and this "
                f"config trains with {len(self.optimizers)}: resume with the config it was "
                "trained with, or use load_from to take the weights only"
            )
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        self._link()


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MixtureOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Give the mixture parameters (theta) an optimiser of their own.

    The encoder keeps ``optim_wrapper.optimizer`` and ``paramwise_cfg`` of the host config. Theta
    has gradients of another scale and wants Adam with a small rate and no weight decay, whatever
    the encoder uses; it follows the same schedule.

    Config keys: those of any ``optim_wrapper``, and ``mixture``, the optimiser of theta, by default
    ``dict(type='Adam', lr=1e-3, betas=(0.9, 0.99))``. An optimiser of another type gets just the
    settings given.

    Raises:
        InputError: The model holds no Gaussian mixture.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        optim_wrapper_cfg = dict(optim_wrapper_cfg)
        mixture = {"type": "Adam", **(optim_wrapper_cfg.pop("mixture", None) or {})}
        if mixture["type"] == "Adam":
            mixture = {"lr": 1e-3, "betas": (0.9, 0.99), **mixture}
        self.mixture_cfg = mixture
        super().__init__(optim_wrapper_cfg, paramwise_cfg)

    def __call__(self, model: nn.Module) -> OptimWrapper:
        theta = [
            p for m in model.modules() if isinstance(m, GaussianMixture) for p in m.parameters()
        ]
        if not theta:
            raise InputError(
                "optim_wrapper.constructor is MixtureOptimWrapperConstructor, but the model holds "
                "no Gaussian mixture: use it with L-GMM models, or remove the key"
            )
        # Building a wrapper takes `type` out of its clip_grad; the second one needs it too.
        cfg = copy.deepcopy(self.optim_wrapper_cfg)
        wrapper = super().__call__(model)
        own = {id(p) for p in theta}
        groups = wrapper.optimizer.param_groups
        for group in groups:
            group["params"] = [p for p in group["params"] if id(p) not in own]
        groups[:] = [group for group in groups if group["params"]]
        mixture = OPTIMIZERS.build(dict(self.mixture_cfg, params=theta))
        cfg = dict(cfg, optimizer=JointOptimizer(wrapper.optimizer, mixture))
        cfg.setdefault("type", "OptimWrapper")
        return OPTIM_WRAPPERS.build(cfg)
