"""The mathematics: one file per method, with no knowledge of mmseg or mmpretrain."""

from .base import ChannelLinear, LinearClassifier, OpenSetClassifier
from .cac import AnchorClassifier, CACLoss, CenterLoss
from .cpn import PrototypeClassifier
from .lgmm import GaussianMixtureClassifier
from .losses import ClassScoreLoss
from .mixture import AssignmentMemory, GaussianMixture
from .movr import CosineClassifier, MOvRLoss
from .proser import PlaceholderClassifier
from .rpl import ReciprocalPointClassifier
from .unit_normalization import UnitNormalization

__all__ = [
    "AnchorClassifier",
    "AssignmentMemory",
    "CACLoss",
    "CenterLoss",
    "ChannelLinear",
    "ClassScoreLoss",
    "CosineClassifier",
    "GaussianMixture",
    "GaussianMixtureClassifier",
    "LinearClassifier",
    "MOvRLoss",
    "OpenSetClassifier",
    "PlaceholderClassifier",
    "PrototypeClassifier",
    "ReciprocalPointClassifier",
    "UnitNormalization",
]
