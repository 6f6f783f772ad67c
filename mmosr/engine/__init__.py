"""What happens around training and testing: optimisers, hooks, checkpoints."""

from .bfloat16 import BFloat16OptimWrapper
from .channels_last import ChannelsLastHook
from .fit import fit_statistics
from .fit_hook import FitHook
from .joint_optimizer import JointOptimizer
from .mixture_optimizer import MixtureOptimWrapperConstructor, check_optimizer
from .seed_hook import StepSeedHook
from .visualization_hook import AnomalyVisualizationHook

__all__ = [
    "AnomalyVisualizationHook",
    "BFloat16OptimWrapper",
    "ChannelsLastHook",
    "FitHook",
    "JointOptimizer",
    "MixtureOptimWrapperConstructor",
    "StepSeedHook",
    "check_optimizer",
    "fit_statistics",
]
