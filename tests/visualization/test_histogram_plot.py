"""The histogram of a score is read back from its matplotlib figure: bars, lines, legend."""

import numpy as np
import pytest

from mmosr.utils import InputError
from mmosr.visualization.histogram_plot import BINS, draw_score_histogram

from .figure_reading import TEN, gaussian, histogram_of, legend_of, lines_of


def _caption(figure):
    return figure.legends[0].get_title().get_text()


def _bars(axes):
    return {patch.get_label().split(" ")[0]: patch.get_data() for patch in axes.patches}


def test_bar_heights_are_shares_of_the_whole_class():
    scores, unknown = gaussian(50_000)
    figure = draw_score_histogram(histogram_of(scores, unknown), "t", threshold=1.5)
    for axes in figure.axes:
        bars = _bars(axes)
        edges = bars["known"].edges
        assert len(edges) == BINS + 1
        np.testing.assert_allclose(np.diff(edges), (edges[-1] - edges[0]) / BINS)
        for name, part in (("known", scores[~unknown]), ("unknown", scores[unknown])):
            expected = np.histogram(part.astype(np.float64), edges)[0] / part.size
            np.testing.assert_allclose(bars[name].values, expected)
            assert 0.9 < bars[name].values.sum() < 1
        threshold = lines_of(axes)["threshold 1.5"]
        assert list(threshold.get_xdata()) == [1.5, 1.5]
        assert axes.get_xlim()[0] < edges[0] < edges[-1] < axes.get_xlim()[1]
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]
    outside = [
        100 * np.mean((part < edges[0]) | (part > edges[-1]))
        for part in (scores[~unknown], scores[unknown])
    ]
    assert _caption(figure) == (
        f"100 bins of width {(edges[-1] - edges[0]) / 100:.3g}; outside: "
        f"{outside[0]:.2f} % of known, {outside[1]:.2f} % of unknown"
    )
    assert legend_of(figure) == [
        f"known ({(~unknown).sum():,} pixels)",
        f"unknown ({unknown.sum():,} pixels)",
        "threshold 1.5",
    ]


def test_few_unknown_pixels_far_away_stay_in_the_range():
    # One unknown pixel in a thousand: the 99 % quantile of all pixels is below 1.
    scores = np.append(np.linspace(0, 1, 99_900), np.linspace(50, 60, 100))
    figure = draw_score_histogram(histogram_of(scores, np.arange(100_000) >= 99_900), "")
    bars = _bars(figure.axes[0])
    # Half of the weight for each class: 1 % of all is 2 % of one.
    assert bars["known"].edges[0] == pytest.approx(0.02, abs=1e-3)
    assert bars["known"].edges[-1] == pytest.approx(59.8, abs=0.11)
    assert bars["unknown"].values.sum() == pytest.approx(0.98, abs=0.011)


def test_a_heavy_tail_leaves_the_core_readable():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.standard_cauchy(50_000), 5 + rng.standard_cauchy(1000)])
    bars = _bars(
        draw_score_histogram(histogram_of(scores, np.arange(51_000) >= 50_000), "").axes[0]
    )
    assert np.count_nonzero(bars["known"].values > 0.01) >= 8
    assert bars["known"].values.sum() > 0.97


def test_five_distinct_values():
    scores = np.repeat([0, 0.25, 0.5, 0.75, 1], 20)
    unknown = scores > 0.6
    bars = _bars(draw_score_histogram(histogram_of(scores, unknown), "").axes[0])
    assert np.flatnonzero(bars["known"].values).tolist() == [0, 25, 50]
    np.testing.assert_allclose(bars["known"].values[[0, 25, 50]], 1 / 3)
    assert np.flatnonzero(bars["unknown"].values).tolist() == [75, 99]
    np.testing.assert_allclose(bars["unknown"].values[[75, 99]], 1 / 2)


@pytest.mark.parametrize("value", [0.0, -1e6, 1e30, 3.0])
def test_a_constant_score_has_one_bar(value):
    figure = draw_score_histogram(histogram_of([value] * 10, [0] * 9 + [1]), "")
    for bars in _bars(figure.axes[0]).values():
        assert sorted(bars.values)[-2:] == [0, 1]
        assert bars.edges[0] < value < bars.edges[-1]
    assert _caption(figure).endswith("outside: 0.00 % of known, 0.00 % of unknown")


def test_a_class_without_pixels_is_left_out():
    figure = draw_score_histogram(histogram_of(TEN, [0] * 10), "")
    assert list(_bars(figure.axes[0])) == ["known"]
    assert legend_of(figure) == ["known (10 pixels)"]


def test_a_threshold_out_of_the_range_is_named():
    figure = draw_score_histogram(histogram_of(TEN, [0] * 5 + [1] * 5), "", threshold=99)
    assert legend_of(figure)[-1] == "threshold 99 (outside the range)"
    assert figure.axes[0].get_xlim()[1] < 10


@pytest.mark.parametrize("unit", ["pixels", "images"])
def test_the_unit_is_named(unit):
    histogram = histogram_of(TEN, [0] * 6 + [1] * 4)
    figure = draw_score_histogram(histogram, "", unit=unit)
    assert legend_of(figure) == [f"known (6 {unit})", f"unknown (4 {unit})"]
    assert [axes.get_ylabel() for axes in figure.axes] == [f"Share of the {unit} of the class"] * 2
    with pytest.raises(InputError, match=f"is empty: it has no {unit} to draw"):
        draw_score_histogram(histogram_of([], []), "", unit=unit)
