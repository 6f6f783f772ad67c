"""Several optimisers that step as one."""

from typing import Any

import torch
from torch.optim import Optimizer

from mmosr.utils import InputError


class JointOptimizer(Optimizer):
    """Several optimisers, each with its own parameters, that step together.

    To a runner it is one optimiser, so gradient scaling, accumulation, clipping, schedules and
    checkpoints work as usual. A schedule multiplies the learning rate of every group.

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
        # The same dict objects: a scheduler that changes a group changes it for its optimiser.
        self.param_groups = [group for o in self.optimizers for group in o.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            # Once for all: a second call would see already updated parameters.
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
