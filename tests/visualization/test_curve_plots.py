"""Curves are read back from the matplotlib figures: lines, dots, legends."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmosr.evaluation.curves import best_f1, fpr_at_tpr, precision_recall_curve
from mmosr.utils import InputError
from mmosr.visualization import write_figure
from mmosr.visualization.curve_plots import draw_precision_recall, draw_roc, thin
from mmosr.visualization.figure_parts import COLORS
from mmosr.visualization.histogram_plot import draw_score_histogram

from .figure_reading import TEN, gaussian, histogram_of, legend_of, lines_of


def _dots(axes):
    return [
        tuple(float(value[0]) for value in line.get_data())
        for line in axes.get_lines()
        if line.get_marker() == "o"
    ]


def test_roc_by_hand():
    # From the highest score: unknown, known, unknown, then 8 known.
    histogram = histogram_of([10, *TEN], [1, 0, 1] + [0] * 8)
    figure = draw_roc({"energy": histogram}, "Ten and one")
    linear, logarithmic = figure.axes
    assert legend_of(figure) == ["energy: AUROC 94.44 %, FPR95 11.11 %"]  # 17/18, 1/9
    line = lines_of(linear)["energy: AUROC 94.44 %, FPR95 11.11 %"]
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
    scores, unknown = gaussian(200_000)
    figure = draw_roc({"energy": histogram_of(scores, unknown)}, "")
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
    figure = draw_roc({"constant": histogram_of([1] * 1000, [1] * 10 + [0] * 990)}, "")
    x, y = figure.axes[1].get_lines()[0].get_data()
    np.testing.assert_allclose(y, x, rtol=1e-12)
    assert len(x) >= 300
    assert x[0] == pytest.approx(1e-3)


def test_the_rate_at_95_percent_of_a_perfect_score_lies_on_the_border():
    histogram = histogram_of(np.arange(200), np.arange(200) >= 100)
    linear, logarithmic = draw_roc({"perfect": histogram}, "").axes
    assert _dots(linear) == [(0, 0.95)]
    assert _dots(logarithmic) == [(0.01, 0.95)]  # where the axis starts


def test_several_scores_have_their_own_styles_and_one_legend_line_each():
    scores, unknown = gaussian(2000)
    histograms = {f"s{i}": histogram_of(scores * (i + 1) ** 2, unknown) for i in range(9)}
    for draw in (draw_roc, draw_precision_recall):
        figure = draw(histograms, "")
        lines = [line for line in figure.axes[0].get_lines() if line.get_label()[:1] == "s"]
        assert [line.get_label().split(":")[0] for line in lines] == list(histograms)
        styles = {(line.get_color(), line.get_linestyle()) for line in lines}
        assert len(styles) == 9
        assert {color for color, _ in styles} == set(COLORS)


def test_precision_recall_by_hand():
    # Precision 1, 1/2, 2/3, then 2/n; F1 is best at the third score: 2 * 2 / (2 + 3).
    histogram = histogram_of([10, *TEN], [1, 0, 1] + [0] * 8)
    figure = draw_precision_recall({"energy": histogram}, "title")
    (axes,) = figure.axes
    assert legend_of(figure) == [
        "energy: AP 83.33 %, best F1 80.00 %",
        "chance: 18.18 % of the pixels are unknown",
    ]
    line = axes.get_lines()[0]
    recall, precision = line.get_data()
    np.testing.assert_allclose(recall, [0, 0.5, 0.5] + [1] * 9)
    np.testing.assert_allclose(precision, [1, 1, 1 / 2] + [2 / n for n in range(3, 12)])
    assert line.get_drawstyle() == "steps-pre"
    assert _dots(axes) == [(1, 2 / 3)]
    chance = lines_of(axes)["chance: 18.18 % of the pixels are unknown"]
    np.testing.assert_allclose(chance.get_ydata(), [2 / 11] * 2)


def test_area_of_the_steps_is_the_average_precision():
    scores, unknown = gaussian(100_000)
    figure = draw_precision_recall({"energy": histogram_of(scores, unknown)}, "")
    recall, precision = figure.axes[0].get_lines()[0].get_data()
    assert len(recall) <= 8004
    area = np.sum(np.diff(recall) * precision[1:])
    assert area == pytest.approx(average_precision_score(unknown, scores), abs=2e-4)
    f1, threshold = best_f1(histogram_of(scores, unknown))
    ((best_recall, best_precision),) = _dots(figure.axes[0])
    selected = scores >= threshold
    assert best_recall == pytest.approx(selected[unknown].mean())
    assert best_precision == pytest.approx(unknown[selected].mean())
    assert f1 == pytest.approx(2 / (1 / best_recall + 1 / best_precision))


def test_low_curves_fill_the_panel():
    # One of a hundred unknown comes first: precision 1 at a recall of 1 %. The others come last.
    for known, low in ((90, False), (1000, True)):
        unknown = [True] + [False] * known + [True] * 99
        histogram = histogram_of(-np.arange(len(unknown), dtype=float), unknown)
        (axes,) = draw_precision_recall({"s": histogram}, "").axes
        expected = 1.25 * 100 / (known + 100) if low else 1.01
        assert axes.get_ylim()[1] == pytest.approx(expected)


def test_the_first_precision_is_a_measured_one():
    histogram = histogram_of([2, 2, 2, 1], [1, 0, 0, 0])
    recall, precision = (
        draw_precision_recall({"s": histogram}, "").axes[0].get_lines()[0].get_data()
    )
    np.testing.assert_allclose(recall, [0, 1, 1])
    np.testing.assert_allclose(precision, [1 / 3, 1 / 3, 1 / 4])


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
    histogram = histogram_of(scores, rng.random(300_000) < 0.01)
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
    known = histogram_of(TEN, [0] * 10)
    both = histogram_of(TEN, [1] + [0] * 9)
    for draw in (draw_roc, draw_precision_recall):
        with pytest.raises(InputError, match="score 'msp' has no unknown pixel"):
            draw({"msp": known}, "")
        with pytest.raises(InputError, match="score 'b' has no known pixel"):
            draw({"a": both, "b": histogram_of(TEN, [1] * 10)}, "")
        with pytest.raises(InputError, match="no scores to plot"):
            draw({}, "")
        with pytest.raises(InputError, match=r"different .* \{'a': \(9, 1\), 'b': \(8, 2\)\}"):
            draw({"a": both, "b": histogram_of(TEN, [1, 1] + [0] * 8)}, "")
    with pytest.raises(InputError, match="the score histogram is empty"):
        draw_score_histogram(histogram_of([], []), "")


def test_the_unit_is_named():
    known, both = histogram_of(TEN, [0] * 10), histogram_of(TEN, [1] + [0] * 9)
    figure = draw_precision_recall({"msp": both}, "", "images")
    assert legend_of(figure)[1] == "chance: 10.00 % of the images are unknown"
    for draw in (draw_roc, draw_precision_recall):
        with pytest.raises(InputError, match="score 'msp' has no unknown images: its"):
            draw({"msp": known}, "", "images")
        with pytest.raises(InputError, match=r"count different \(known, unknown\) images"):
            draw({"a": both, "b": histogram_of(TEN, [1, 1] + [0] * 8)}, "", "images")


def test_files_are_written_whole(tmp_path):
    scores, unknown = gaussian(2000)
    histogram = histogram_of(scores, unknown)
    folder = tmp_path / "new"
    write_figure(draw_roc({"s": histogram}, "ROC"), folder / "roc.png")
    write_figure(draw_precision_recall({"s": histogram}, "PR"), folder / "pr.png")
    figure = draw_score_histogram(histogram, "histogram", 1.0)
    write_figure(figure, folder / "histogram.png")
    assert sorted(path.name for path in folder.iterdir()) == ["histogram.png", "pr.png", "roc.png"]
    picture = cv2.imread(str(folder / "roc.png"))
    assert picture.shape == (780, 1560, 3)
    blue = np.array([0xB2, 0x72, 0x00])  # the first colour, as OpenCV reads it
    assert (np.abs(picture.astype(int) - blue).max(axis=2) < 10).sum() > 500


def test_the_dot_is_the_figure_of_the_table():
    scores, unknown = gaussian(5000)
    histogram = histogram_of(scores, unknown)
    ((x, y),) = _dots(draw_roc({"s": histogram}, "").axes[0])
    assert x == fpr_at_tpr(histogram)
    assert 0.95 <= y < 0.96
