"""The figures of an analysis, with their definitions."""

from __future__ import annotations

import numpy as np

from mmosr.analysis.clusters import (
    bhattacharyya_coefficient,
    class_mean_distance,
    davies_bouldin,
    default_bins,
    inter_class_distance,
    intra_class_distance,
    sampling_loss,
)
from mmosr.evaluation.curves import auroc
from mmosr.evaluation.histogram import ScoreHistogram

from .run import Measured

FIGURE_DEFINITIONS = {
    "jacobian_norm_known": "mean over the known images of |df/dx|_F",
    "jacobian_norm_unknown": "mean over the unknown images of |df/dx|_F",
    "jacobian_norm_difference": "unknown minus known (m-OvR, eq. 20)",
    "jacobian_norm_auroc": "AUROC of the norm as an anomaly score, unknown positive",
    "squared_jacobian_norm_known": "mean over the known images of |df/dx|_F^2, which "
    "probes estimate without bias",
    "squared_jacobian_norm_unknown": "the same over the unknown images",
    "davies_bouldin_index": "of the known images in f, smaller = better separated (section IV-A)",
    "inter_class_distance": "mean |f(x) - f(x')|_2 of known images of different classes",
    "class_mean_distance": "mean distance between the means of two known classes",
    "intra_class_distance": "mean distance of a known image to the mean of its class",
    "bhattacharyya_coefficient": "overlap of the distances of known and unknown images to the "
    "closest class centre (CAC, table 2); 1 = equal distributions",
    "bhattacharyya_coefficient_correct": "the same with the correctly classified known images only",
    "accuracy": "share of the known images whose most probable class is the true one",
    "interpolation_norm_ends": "mean over the paths of the norm at t = 0 and 1 (figure 3)",
    "interpolation_norm_middle": "mean over the paths of the norm at the step nearest to t = 0.5",
    "interpolation_length": "mean length of f(x_t) between images of different classes (eq. 5)",
}


def compute_figures(measured: Measured) -> dict[str, dict[str, object]]:
    """Value, standard error if there is one, and definition of every figure.

    The standard error is that of a mean over images (or paths): deviation / sqrt(number). With
    probes it includes their noise. Undefined values, such as those of unknown images if there are
    none, are None.
    """
    known = measured.images.known
    found = {
        **_norm_figures(measured, known),
        **_cluster_figures(measured, known),
        **_overlap_figures(measured, known),
        **_path_figures(measured),
    }
    return {
        name: {**found.get(name, {"value": None}), "definition": text}
        for name, text in FIGURE_DEFINITIONS.items()
    }


def _norm_figures(measured: Measured, known: np.ndarray) -> dict[str, dict]:
    norm, squared = measured.norm.value.numpy(), measured.squared_norm.value.numpy()
    found = {
        "jacobian_norm_known": _mean(norm[known]),
        "squared_jacobian_norm_known": _mean(squared[known]),
    }
    if known.all():
        return found
    unknown = found["jacobian_norm_unknown"] = _mean(norm[~known])
    found["squared_jacobian_norm_unknown"] = _mean(squared[~known])
    first = found["jacobian_norm_known"]
    found["jacobian_norm_difference"] = {
        "value": unknown["value"] - first["value"],
        "standard_error": float(np.hypot(unknown["standard_error"], first["standard_error"])),
    }
    histogram = ScoreHistogram.from_scores(norm.astype(np.float32), ~known, max_cells=None)
    found["jacobian_norm_auroc"] = {"value": auroc(histogram)}
    return found


def _cluster_figures(measured: Measured, known: np.ndarray) -> dict[str, dict]:
    values, labels = measured.values[known], measured.images.labels[known]
    functions = {
        "davies_bouldin_index": davies_bouldin,
        "inter_class_distance": inter_class_distance,
        "class_mean_distance": class_mean_distance,
        "intra_class_distance": intra_class_distance,
    }
    found = {}
    for name, function in functions.items():
        value = function(values, labels)
        found[name] = {"value": value if np.isfinite(value) else None}
    found["accuracy"] = {"value": float((measured.predicted[known] == labels).mean())}
    return found


def _overlap_figures(measured: Measured, known: np.ndarray) -> dict[str, dict]:
    unknown = measured.distance[~known]
    correct = known & (measured.predicted == measured.images.labels)
    samples = {
        "bhattacharyya_coefficient": measured.distance[known],
        "bhattacharyya_coefficient_correct": measured.distance[correct],
    }
    found = {}
    for name, sample in samples.items():
        if not sample.size or not unknown.size:
            continue
        bins = default_bins(len(sample), len(unknown))
        found[name] = {
            "value": bhattacharyya_coefficient(sample, unknown, bins),
            "bins": bins,
            "known": len(sample),
            "unknown": len(unknown),
            "of_equal_distributions": 1 - sampling_loss(len(sample), len(unknown), bins),
        }
    return found


def _path_figures(measured: Measured) -> dict[str, dict]:
    paths = measured.paths
    if paths is None:
        return {}
    norm = paths.norm.value.numpy()
    middle = int(np.abs(paths.steps - 0.5).argmin())
    return {
        "interpolation_norm_ends": _mean(norm[:, [0, -1]].mean(1)),
        "interpolation_norm_middle": _mean(norm[:, middle]),
        "interpolation_length": _mean(paths.length),
    }


def _mean(values: np.ndarray) -> dict[str, float | int | None]:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return {
        "value": float(values.mean()),
        "standard_error": None if error is None else float(error),
        "number": len(values),
    }
