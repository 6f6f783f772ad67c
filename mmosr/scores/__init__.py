"""Post-hoc scores: anomaly scores of any trained model."""

from .base import FittedMapScore, FittedScore, Score, build_score
from .entries import ScoreConfig
from .fitted import SPACES, Fitted
from .functional import energy, entropy, max_logit, max_softmax, one_vs_rest
from .kl_matching import KLMatching
from .mahalanobis import Mahalanobis, MahalanobisPerClass
from .map_smoothing import MapSmoothing
from .odin import Odin, OdinWithoutUnknowns
from .openmax import OpenMax
from .standardized import SmoothedMaxLogit, StandardizedMaxLogit

__all__ = [
    "SPACES",
    "Fitted",
    "FittedMapScore",
    "FittedScore",
    "KLMatching",
    "Mahalanobis",
    "MahalanobisPerClass",
    "MapSmoothing",
    "Odin",
    "OdinWithoutUnknowns",
    "OpenMax",
    "Score",
    "ScoreConfig",
    "SmoothedMaxLogit",
    "StandardizedMaxLogit",
    "build_score",
    "energy",
    "entropy",
    "max_logit",
    "max_softmax",
    "one_vs_rest",
]
