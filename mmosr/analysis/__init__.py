"""Analysis of what a classifier has learnt: Jacobian norms, clusters, interpolations."""

from .clusters import (
    bhattacharyya_coefficient,
    class_mean_distance,
    davies_bouldin,
    inter_class_distance,
    intra_class_distance,
    nearest_centre,
)
from .interpolation import interpolate, path_length, sample_pairs
from .jacobian import NormEstimate, exact_squared_norm, hutchinson_squared_norm, to_norm
from .spaces import SPACES, UNITS, input_scale, space_function

__all__ = [
    "SPACES",
    "UNITS",
    "NormEstimate",
    "bhattacharyya_coefficient",
    "class_mean_distance",
    "davies_bouldin",
    "exact_squared_norm",
    "hutchinson_squared_norm",
    "input_scale",
    "inter_class_distance",
    "interpolate",
    "intra_class_distance",
    "nearest_centre",
    "path_length",
    "sample_pairs",
    "space_function",
    "to_norm",
]
