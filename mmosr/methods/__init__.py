"""The mathematics: one file a method, with no knowledge of mmseg or mmpretrain."""

from .base import ChannelLinear, OpenSetClassifier
from .lgmm import GaussianMixtureClassifier, UnitNormalization
from .mixture import AssignmentMemory, GaussianMixture

__all__ = [
    "AssignmentMemory",
    "ChannelLinear",
    "GaussianMixture",
    "GaussianMixtureClassifier",
    "OpenSetClassifier",
    "UnitNormalization",
]
