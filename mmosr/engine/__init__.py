"""What happens around training and testing: optimisers, hooks, checkpoints."""

from .bfloat16 import BFloat16OptimWrapper
from .joint_optimizer import JointOptimizer, MixtureOptimWrapperConstructor
from .seed_hook import StepSeedHook
from .visualization_hook import AnomalyVisualizationHook

__all__ = [
    "AnomalyVisualizationHook",
    "BFloat16OptimWrapper",
    "JointOptimizer",
    "MixtureOptimWrapperConstructor",
    "StepSeedHook",
]
