"""Plots are read back from the matplotlib figures: lines, dots, bars, legends."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmosr.evaluation.curves import best_f1, fpr_at_tpr, precision_recall_curve
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError
from mmosr.visualization.curve_plots import (
    BINS,
    COLORS,
    draw_precision_recall,
    draw_roc,
    draw_score_histogram,
    plot_precision_recall,
    plot_roc,
    plot_score_histogram,
    thin,
)

TEN = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]  # scores of ten pixels


def _histogram(scores, unknown):
    return ScoreHistogram.from_scores(np.asarray(scores, np.float32), np.asarray(unknown, bool))


def _gaussian(count=20_000, share=0.05, shift=2.0, seed=0):
    rng = np.random.default_rng(seed)
    unknown = rng.random(count) < share
    scores = (rng.normal(size=count) + shift * unknown).astype(np.float32)
    return scores, unknown


def _legend(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def _caption(figure):
    return figure.legends[0].get_title().get_text()


def _lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def _dots(axes):
    return [
        tuple(float(value[0]) for value in line.get_data())
        for line in axes.get_lines()
        if line.get_marker() == "o"
    ]


def test_roc_by_hand():
    # From the highest score: unknown, known, unknown, then 8 known.
    histogram = _histogram([10, *TEN], [1, 0, 1] + [0] * 8)
    figure = draw_roc({"energy": histogram}, "Ten and one")
    linear, logarithmic = figure.axes
    assert _legend(figure) == ["energy: AUROC 94.44 %, FPR95 11.11 %"]  # 17/18, 1/9
    line = _lines(linear)["energy: AUROC 94.44 %, FPR95 11.11 %"]
    x, y = line.get_data()
    np.testing.assert_allclose(x, [0, 0, 1 / 9, 1 / 9] + [n / 9 for n in range(2, 10)])
    np.testing.assert_allclose(y, [0, 0.5, 0.5, 1] + [1] * 8)
    assert _dots(linear) == [(1 / 9, 1)]
    assert _dots(logarithmic) == [(1 / 9, 1)]
    assert figure.get_suptitle() == "Ten and one"
    assert linear.get_xscale() == "linear"
    assert logarithmic.get_xscale() == "log"
    assert logarithmic.get_xlim()[0] == 0.1  # one of nine known pixels, and a power of ten


def test_roc_lines_have_the_area_and_the_points_of_sklearn():
    scores, unknown = _gaussian(200_000)
    figure = draw_roc({"energy": _histogram(scores, unknown)}, "")
    linear, logarithmic = figure.axes
    fpr, tpr, _ = roc_curve(unknown, scores, drop_intermediate=False)
    x, y = linear.get_lines()[0].get_data()
    assert len(x) <= 8004
    area = np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2
    assert area == pytest.approx(roc_auc_score(unknown, scores), abs=3e-5)
    assert set(zip(x, y, strict=True)) <= set(zip(fpr, tpr, strict=True))
    x, y = logarithmic.get_lines()[0].get_data()
    assert x.min() == pytest.approx(1e-5)
    grid = np.geomspace(1e-4, 1, 1000)
    np.testing.assert_allclose(np.interp(grid, x, y), np.interp(grid, fpr, tpr), atol=0.01)


def test_a_straight_line_is_curved_on_the_logarithmic_axis():
    # One value for all: the curve is the diagonal.
    figure = draw_roc({"constant": _histogram([1] * 1000, [1] * 10 + [0] * 990)}, "")
    x, y = figure.axes[1].get_lines()[0].get_data()
    np.testing.assert_allclose(y, x, rtol=1e-12)
    assert len(x) >= 300
    assert x[0] == pytest.approx(1e-3)


def test_the_rate_at_95_percent_of_a_perfect_score_lies_on_the_border():
    histogram = _histogram(np.arange(200), np.arange(200) >= 100)
    linear, logarithmic = draw_roc({"perfect": histogram}, "").axes
    assert _dots(linear) == [(0, 0.95)]
    assert _dots(logarithmic) == [(0.01, 0.95)]  # where the axis begins


def test_several_scores_have_their_own_styles_and_one_legend_line_each():
    scores, unknown = _gaussian(2000)
    histograms = {f"s{i}": _histogram(scores * (i + 1) ** 2, unknown) for i in range(9)}
    for draw in (draw_roc, draw_precision_recall):
        figure = draw(histograms, "")
        lines = [line for line in figure.axes[0].get_lines() if line.get_label()[:1] == "s"]
        assert [line.get_label().split(":")[0] for line in lines] == list(histograms)
        styles = {(line.get_color(), line.get_linestyle()) for line in lines}
        assert len(styles) == 9
        assert {color for color, _ in styles} == set(COLORS)


def test_precision_recall_by_hand():
    # Precision 1, 1/2, 2/3, then 2/n; F1 is best at the third score: 2 * 2 / (2 + 3).
    histogram = _histogram([10, *TEN], [1, 0, 1] + [0] * 8)
    figure = draw_precision_recall({"energy": histogram}, "title")
    (axes,) = figure.axes
    assert _legend(figure) == [
        "energy: AP 83.33 %, best F1 80.00 %",
        "chance: 18.18 % of the pixels are unknown",
    ]
    line = axes.get_lines()[0]
    recall, precision = line.get_data()
    np.testing.assert_allclose(recall, [0, 0.5, 0.5] + [1] * 9)
    np.testing.assert_allclose(precision, [1, 1, 1 / 2] + [2 / n for n in range(3, 12)])
    assert line.get_drawstyle() == "steps-pre"
    assert _dots(axes) == [(1, 2 / 3)]
    chance = _lines(axes)["chance: 18.18 % of the pixels are unknown"]
    np.testing.assert_allclose(chance.get_ydata(), [2 / 11] * 2)


def test_area_of_the_steps_is_the_average_precision():
    scores, unknown = _gaussian(100_000)
    figure = draw_precision_recall({"energy": _histogram(scores, unknown)}, "")
    recall, precision = figure.axes[0].get_lines()[0].get_data()
    assert len(recall) <= 8004
    area = np.sum(np.diff(recall) * precision[1:])
    assert area == pytest.approx(average_precision_score(unknown, scores), abs=2e-4)
    f1, threshold = best_f1(_histogram(scores, unknown))
    ((best_recall, best_precision),) = _dots(figure.axes[0])
    selected = scores >= threshold
    assert best_recall == pytest.approx(selected[unknown].mean())
    assert best_precision == pytest.approx(unknown[selected].mean())
    assert f1 == pytest.approx(2 / (1 / best_recall + 1 / best_precision))


def test_low_curves_fill_the_panel():
    # One of a hundred unknown comes first: precision 1 at a recall of 1 %. The others come last.
    for known, low in ((90, False), (1000, True)):
        unknown = [True] + [False] * known + [True] * 99
        histogram = _histogram(-np.arange(len(unknown), dtype=float), unknown)
        (axes,) = draw_precision_recall({"s": histogram}, "").axes
        expected = 1.25 * 100 / (known + 100) if low else 1.01
        assert axes.get_ylim()[1] == pytest.approx(expected)


def test_the_first_precision_is_a_measured_one():
    histogram = _histogram([2, 2, 2, 1], [1, 0, 0, 0])
    recall, precision = (
        draw_precision_recall({"s": histogram}, "").axes[0].get_lines()[0].get_data()
    )
    np.testing.assert_allclose(recall, [0, 1, 1])
    np.testing.assert_allclose(precision, [1 / 3, 1 / 3, 1 / 4])


def _bars(axes):
    return {patch.get_label().split(" ")[0]: patch.get_data() for patch in axes.patches}


def test_bar_heights_are_shares_of_the_whole_class():
    scores, unknown = _gaussian(50_000)
    figure = draw_score_histogram(_histogram(scores, unknown), "t", threshold=1.5)
    for axes in figure.axes:
        bars = _bars(axes)
        edges = bars["known"].edges
        assert len(edges) == BINS + 1
        np.testing.assert_allclose(np.diff(edges), (edges[-1] - edges[0]) / BINS)
        for name, part in (("known", scores[~unknown]), ("unknown", scores[unknown])):
            expected = np.histogram(part.astype(np.float64), edges)[0] / part.size
            np.testing.assert_allclose(bars[name].values, expected)
            assert 0.9 < bars[name].values.sum() < 1
        threshold = _lines(axes)["threshold 1.5"]
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
    assert _legend(figure) == [
        f"known ({(~unknown).sum():,} pixels)",
        f"unknown ({unknown.sum():,} pixels)",
        "threshold 1.5",
    ]


def test_few_unknown_pixels_far_away_stay_in_the_range():
    # One unknown pixel in a thousand: the 99 % quantile of all pixels is below 1.
    scores = np.append(np.linspace(0, 1, 99_900), np.linspace(50, 60, 100))
    figure = draw_score_histogram(_histogram(scores, np.arange(100_000) >= 99_900), "")
    bars = _bars(figure.axes[0])
    # Half of the weight for each class: 1 % of all is 2 % of one.
    assert bars["known"].edges[0] == pytest.approx(0.02, abs=1e-3)
    assert bars["known"].edges[-1] == pytest.approx(59.8, abs=0.11)
    assert bars["unknown"].values.sum() == pytest.approx(0.98, abs=0.011)


def test_a_heavy_tail_leaves_the_core_readable():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.standard_cauchy(50_000), 5 + rng.standard_cauchy(1000)])
    bars = _bars(draw_score_histogram(_histogram(scores, np.arange(51_000) >= 50_000), "").axes[0])
    assert np.count_nonzero(bars["known"].values > 0.01) >= 8
    assert bars["known"].values.sum() > 0.97


def test_five_distinct_values():
    scores = np.repeat([0, 0.25, 0.5, 0.75, 1], 20)
    unknown = scores > 0.6
    bars = _bars(draw_score_histogram(_histogram(scores, unknown), "").axes[0])
    assert np.flatnonzero(bars["known"].values).tolist() == [0, 25, 50]
    np.testing.assert_allclose(bars["known"].values[[0, 25, 50]], 1 / 3)
    assert np.flatnonzero(bars["unknown"].values).tolist() == [75, 99]
    np.testing.assert_allclose(bars["unknown"].values[[75, 99]], 1 / 2)


@pytest.mark.parametrize("value", [0.0, -1e6, 1e30, 3.0])
def test_a_constant_score_has_one_bar(value):
    figure = draw_score_histogram(_histogram([value] * 10, [0] * 9 + [1]), "")
    for bars in _bars(figure.axes[0]).values():
        assert sorted(bars.values)[-2:] == [0, 1]
        assert bars.edges[0] < value < bars.edges[-1]
    assert _caption(figure).endswith("outside: 0.00 % of known, 0.00 % of unknown")


def test_a_class_without_pixels_is_left_out():
    figure = draw_score_histogram(_histogram(TEN, [0] * 10), "")
    assert list(_bars(figure.axes[0])) == ["known"]
    assert _legend(figure) == ["known (10 pixels)"]


def test_a_threshold_out_of_the_range_is_named():
    figure = draw_score_histogram(_histogram(TEN, [0] * 5 + [1] * 5), "", threshold=99)
    assert _legend(figure)[-1] == "threshold 99 (outside the range)"
    assert figure.axes[0].get_xlim()[1] < 10


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 8), st.integers(0, 2**31))
def test_thinning_keeps_ends_and_extremes_of_every_column(size, columns, seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.choice(np.round(rng.random(size), 2), size))
    y = np.round(rng.normal(size=size), 1)
    thin_x, thin_y = thin(x, y, columns)
    assert len(thin_x) <= max(4 * columns + 4, 0) or len(thin_x) == size
    points = list(zip(x, y, strict=True))
    kept = list(zip(thin_x, thin_y, strict=True))
    rest = iter(points)
    assert all(point in rest for point in kept)  # a subsequence, in its order
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    width = (x[-1] - x[0]) / columns
    place = np.floor((x - x[0]) / width) if width else np.zeros(size)
    thin_place = np.floor((thin_x - x[0]) / width) if width else np.zeros(len(thin_x))
    for column in np.unique(place):
        before, after = y[place == column], thin_y[thin_place == column]
        assert (before[0], before[-1]) == (after[0], after[-1])
        assert (before.min(), before.max()) == (after.min(), after.max())


def test_a_curve_looks_the_same_thinned():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=300_000).astype(np.float32)
    histogram = _histogram(scores, rng.random(300_000) < 0.01)
    precision, recall, _ = precision_recall_curve(histogram)
    assert len(recall) > 100_000

    def pixels(x, y):
        figure = Figure(figsize=(5, 5), dpi=150)
        canvas = FigureCanvasAgg(figure)
        figure.subplots().plot(x, y, drawstyle="steps-pre")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)

    difference = np.abs(pixels(recall, precision) - pixels(*thin(recall, precision))).max(axis=2)
    assert (difference > 60).mean() < 1e-3


def test_undefined_curves_are_one_clear_line():
    known = _histogram(TEN, [0] * 10)
    both = _histogram(TEN, [1] + [0] * 9)
    for draw in (draw_roc, draw_precision_recall):
        with pytest.raises(InputError, match="score 'msp' has no unknown pixel"):
            draw({"msp": known}, "")
        with pytest.raises(InputError, match="score 'b' has no known pixel"):
            draw({"a": both, "b": _histogram(TEN, [1] * 10)}, "")
        with pytest.raises(InputError, match="no score to plot"):
            draw({}, "")
        with pytest.raises(InputError, match=r"different .* \{'a': \(9, 1\), 'b': \(8, 2\)\}"):
            draw({"a": both, "b": _histogram(TEN, [1, 1] + [0] * 8)}, "")
    with pytest.raises(InputError, match="the score histogram is empty"):
        draw_score_histogram(_histogram([], []), "")


def test_files_are_written_whole(tmp_path):
    scores, unknown = _gaussian(2000)
    histogram = _histogram(scores, unknown)
    folder = tmp_path / "new"
    plot_roc({"s": histogram}, folder / "roc.png", "ROC")
    plot_precision_recall({"s": histogram}, folder / "pr.png", "PR")
    plot_score_histogram(histogram, folder / "histogram.png", "histogram", 1.0)
    assert sorted(path.name for path in folder.iterdir()) == ["histogram.png", "pr.png", "roc.png"]
    picture = cv2.imread(str(folder / "roc.png"))
    assert picture.shape == (780, 1560, 3)
    blue = np.array([0xB2, 0x72, 0x00])  # the first colour, as OpenCV reads it
    assert (np.abs(picture.astype(int) - blue).max(axis=2) < 10).sum() > 500


def test_the_dot_is_the_figure_of_the_table():
    scores, unknown = _gaussian(5000)
    histogram = _histogram(scores, unknown)
    ((x, y),) = _dots(draw_roc({"s": histogram}, "").axes[0])
    assert x == fpr_at_tpr(histogram)
    assert 0.95 <= y < 0.96
