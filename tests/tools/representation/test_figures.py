"""The figures of an analysis from measurements made by hand."""

import numpy as np
import pytest
import torch
from representation_run.figures import FIGURE_DEFINITIONS, compute_figures
from representation_run.images import ImageSubset
from representation_run.run import Measured, Paths

from mmosr.analysis.clusters import bhattacharyya_coefficient, davies_bouldin
from mmosr.analysis.jacobian import NormEstimate

LABELS = np.array([0, 0, 1, 1, 1, -1, -1, -1])
PREDICTED = np.array([0, 1, 1, 1, 0, 0, 1, 1])
NORM = np.array([1.0, 3, 2, 2, 2, 3, 5, 1])
DISTANCE = np.array([0.1, 0.5, 0.2, 0.3, 0.6, 0.4, 0.8, 0.9])
VALUES = np.array([[0.0, 1], [0, -1], [4, 0], [4, 3], [4, -3], [9, 9], [8, 8], [7, 7]], np.float32)


def measured(images: slice = slice(None), **changes) -> Measured:
    labels, norm = LABELS[images], torch.tensor(NORM[images])
    subset = ImageSubset([], np.arange(len(labels)), labels, {})
    values = {
        "images": subset,
        "names": [str(i) for i in range(len(labels))],
        "classes": ["a", "b"],
        "values": VALUES[images],
        "predicted": PREDICTED[images],
        "squared_norm": NormEstimate(norm.square(), 0 * norm),
        "norm": NormEstimate(norm, 0 * norm),
        "distance": DISTANCE[images],
        "closest": PREDICTED[images],
        "centres": "",
        "map": np.zeros((len(labels), 2)),
        "paths": None,
    }
    return Measured(**{**values, **changes})


def test_by_hand():
    found = compute_figures(measured())
    assert list(found) == list(FIGURE_DEFINITIONS)
    expected = {
        "jacobian_norm_known": 2,
        "jacobian_norm_unknown": 3,
        "jacobian_norm_difference": 1,
        # Of 15 pairs 5 + 4 are won, 1 + 1 tied and 4 lost.
        "jacobian_norm_auroc": 10 / 15,
        "squared_jacobian_norm_known": 22 / 5,
        "squared_jacobian_norm_unknown": 35 / 3,
        # Means (0, 0) and (4, 0), mean distances 1 and 2.
        "davies_bouldin_index": 3 / 4,
        "class_mean_distance": 4,
        "intra_class_distance": 1.5,
        # From (0, 1) and (0, -1): root 17 to (4, 0), root 20 or root 32 to the others.
        "inter_class_distance": (17**0.5 + 20**0.5 + 32**0.5) / 3,
        "accuracy": 3 / 5,
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value), name
    for name in ("interpolation_norm_ends", "interpolation_norm_middle", "interpolation_length"):
        assert found[name]["value"] is None


def test_standard_errors():
    found = compute_figures(measured())
    # Deviations: 0, 1, -1 of five known ones; 0, 2, -2 of three unknown ones.
    known, unknown = (2 / 4 / 5) ** 0.5, (8 / 2 / 3) ** 0.5
    assert found["jacobian_norm_known"]["standard_error"] == pytest.approx(known)
    assert found["jacobian_norm_unknown"]["standard_error"] == pytest.approx(unknown)
    both = found["jacobian_norm_difference"]["standard_error"]
    assert both == pytest.approx((known**2 + unknown**2) ** 0.5)
    assert (found["jacobian_norm_known"]["number"], found["jacobian_norm_unknown"]["number"]) == (
        5,
        3,
    )


def test_overlap_of_all_and_of_the_correct_images():
    found = compute_figures(measured())
    unknown = DISTANCE[5:]
    for name, known in (
        ("bhattacharyya_coefficient", DISTANCE[:5]),
        ("bhattacharyya_coefficient_correct", DISTANCE[[0, 2, 3]]),
    ):
        assert found[name]["value"] == bhattacharyya_coefficient(known, unknown, 2)
        assert (found[name]["known"], found[name]["unknown"]) == (len(known), 3)
    assert found["bhattacharyya_coefficient_correct"]["value"] == 0
    assert found["bhattacharyya_coefficient"]["value"] > 0


def test_along_paths():
    norm = torch.tensor([[1.0, 5, 6, 2, 3], [0, 1, 2, 3, 4]], dtype=torch.float64)
    paths = Paths(
        np.array([[0, 2], [1, 3]]),
        np.linspace(0, 1, 5),
        NormEstimate(norm, 0 * norm),
        np.array([2.0, 4.0]),
    )
    found = compute_figures(measured(paths=paths))
    assert found["interpolation_norm_ends"]["value"] == 2
    assert found["interpolation_norm_middle"]["value"] == 4
    assert found["interpolation_length"]["value"] == 3
    assert found["interpolation_length"]["standard_error"] == pytest.approx(1)


def test_known_images_alone():
    found = compute_figures(measured(slice(5)))
    undefined = {name for name, figure in found.items() if figure["value"] is None}
    assert undefined == {
        name for name in FIGURE_DEFINITIONS if name.startswith(("inter", "bhatt"))
    } - {"inter_class_distance"} | {
        "jacobian_norm_unknown",
        "jacobian_norm_difference",
        "jacobian_norm_auroc",
        "squared_jacobian_norm_unknown",
    }


def test_a_figure_without_a_finite_value_is_none():
    """JSON has no infinity."""
    collapsed = np.full_like(VALUES, 0.1)
    assert davies_bouldin(collapsed[:5], LABELS[:5]) == np.inf
    found = compute_figures(measured(values=collapsed))
    assert found["davies_bouldin_index"]["value"] is None
    assert found["class_mean_distance"]["value"] == pytest.approx(0, abs=1e-12)
