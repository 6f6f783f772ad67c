"""Plots are read back from the matplotlib figures."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from representation_run.plots import draw_histograms, draw_interpolation, draw_map

from mmosr.visualization.figure_parts import KNOWN_COLOR, UNKNOWN_COLOR

RNG = np.random.default_rng(0)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_histograms_are_shares_of_each_sample():
    samples = {"known": RNG.normal(size=900), "unknown": RNG.normal(3, 1, size=500)}
    samples["unknown"][0] = 1e6
    figure = draw_histograms(samples, "title", "norm", "note")
    (axes,) = figure.axes
    shares = {}
    for patch, (name, values) in zip(axes.patches, samples.items(), strict=True):
        data = patch.get_data()
        assert len(data.values) == 40
        expected = np.histogram(values, data.edges)[0] / len(values)
        np.testing.assert_allclose(data.values, expected)
        shares[name] = data.values.sum()
    assert 0.98 < shares["known"] < 1 and 0.98 < shares["unknown"] < 1
    assert axes.get_xlim()[1] < 10  # the outlier does not stretch the axis
    lines = {line.get_color(): line.get_xdata()[0] for line in axes.get_lines()}
    assert lines[KNOWN_COLOR] == pytest.approx(samples["known"].mean())
    assert lines[UNKNOWN_COLOR] == pytest.approx(samples["unknown"].mean())
    assert legend(figure)[0].startswith("known (900 images), mean ")
    caption = figure.legends[0].get_title().get_text()
    assert caption.endswith("\nnote")
    assert f"{100 * (1 - shares['known']):.1f} % of known" in caption


def test_histogram_of_few_equal_values_of_one_sample():
    figure = draw_histograms({"known": np.full(9, 2.0), "unknown": np.array([])}, "t", "norm")
    (patch,) = figure.axes[0].patches
    assert patch.get_data().values.sum() == pytest.approx(1)
    assert len(patch.get_data().values) == 6


def test_interpolation_shows_the_mean_and_the_quartiles():
    steps = np.linspace(0, 1, 5)
    norms = RNG.gamma(3, size=(50, 5))
    figure = draw_interpolation(steps, norms, {"known": 1.5}, "title", "norm")
    (axes,) = figure.axes
    line, known = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), norms.mean(0))
    assert set(known.get_ydata()) == {1.5}
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    for step, column in zip(steps, norms.T, strict=True):
        found = corners[np.isclose(corners[:, 0], step), 1]
        assert found.min() == pytest.approx(np.quantile(column, 0.25))
        assert found.max() == pytest.approx(np.quantile(column, 0.75))
    assert legend(figure) == [
        "quartiles over the paths",
        "mean over the paths",
        "known images, mean",
    ]


def test_map_by_class_and_by_norm():
    points, labels = RNG.normal(size=(8, 2)), np.array([0, -1, 1, 1, -1, 0, 1, -1])
    norms = np.arange(8.0)[::-1]
    figure = draw_map(points, labels, ["cat", "dog"], norms, "title", "norm")
    left, right = figure.axes[:2]
    unknown, known = left.collections
    np.testing.assert_allclose(unknown.get_offsets(), points[labels < 0])
    assert {tuple(color[:3]) for color in unknown.get_facecolors()} == {(0.6, 0.6, 0.6)}
    np.testing.assert_allclose(known.get_offsets(), points[labels >= 0])
    colors = {handle.get_label(): handle.get_color() for handle in figure.legends[0].legend_handles}
    assert list(colors) == ["cat", "dog", "unknown"]
    for color, label in zip(known.get_facecolors(), labels[labels >= 0], strict=True):
        np.testing.assert_allclose(color[:3], to_rgba(colors[["cat", "dog"][label]])[:3])
    (by_norm,) = right.collections
    np.testing.assert_allclose(by_norm.get_offsets(), points[::-1])  # the largest on top
    np.testing.assert_allclose(by_norm.get_array(), norms[::-1])


def test_map_of_many_classes_has_no_legend_of_them():
    labels = np.arange(30)
    figure = draw_map(RNG.normal(size=(30, 2)), labels, list(map(str, labels)), labels, "t", "n")
    assert not figure.legends[0].get_texts()
    known = figure.axes[0].collections[1]
    assert len({tuple(color) for color in known.get_facecolors()}) == 30
