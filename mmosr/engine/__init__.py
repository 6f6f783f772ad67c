"""What happens around training and testing: optimisers, hooks, checkpoints."""

from .bfloat16 import BFloat16OptimWrapper
from .joint_optimizer import JointOptimizer, MixtureOptimWrapperConstructor
from .seed_hook import StepSeedHook

__all__ = [
    "BFloat16OptimWrapper",
    "JointOptimizer",
    "MixtureOptimWrapperConstructor",
    "StepSeedHook",
]
