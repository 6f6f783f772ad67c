import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmosr.utils import InputError
from mmosr.visualization import (
    HeatmapStyle,
    add_color_bar,
    check_range,
    draw_heatmap,
    draw_labels,
    draw_overlay,
    score_range,
)


def _color(name, position):
    return np.array(matplotlib.colormaps[name](position, bytes=True)[:3])


@pytest.mark.parametrize("name", ["inferno", "turbo"])
def test_colors_at_the_ends_and_the_middle_are_those_of_matplotlib(name):
    score = np.array([[-4.0, 0.0, 4.0]], np.float32)
    picture = draw_heatmap(score, -4, 4, name)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0, 0], _color(name, 0.0))
    np.testing.assert_array_equal(picture[0, 1], _color(name, 0.5))
    np.testing.assert_array_equal(picture[0, 2], _color(name, 1.0))


def test_inferno_runs_from_almost_black_to_bright_yellow():
    picture = draw_heatmap(np.array([[0.0, 1.0]], np.float32), 0, 1, "inferno")
    assert picture[0, 0].tolist() == [0, 0, 3]
    assert picture[0, 1].tolist() == [252, 254, 164]  # matplotlib's last entry


def test_values_out_of_range_saturate_and_nan_is_black():
    score = np.array([[-9.0, -np.inf, 9.0, np.inf, np.nan]], np.float32)
    picture = draw_heatmap(score, -1, 1, "turbo")
    np.testing.assert_array_equal(picture[0, :2], [_color("turbo", 0.0)] * 2)
    np.testing.assert_array_equal(picture[0, 2:4], [_color("turbo", 1.0)] * 2)
    assert picture[0, 4].tolist() == [0, 0, 0]


def test_the_same_score_has_the_same_color_in_every_picture():
    calm = np.array([[0.0, 0.1, 0.2]], np.float32)
    loud = np.array([[0.2, 5.0, 9.0]], np.float32)
    first, second = (draw_heatmap(score, 0, 10) for score in (calm, loud))
    np.testing.assert_array_equal(first[0, 2], second[0, 0])
    assert int(first.max()) < 20  # a calm image stays dark


def test_large_offsets_keep_their_differences():
    score = np.array([[16777216.0, 16777220.0, 16777224.0]], np.float32)
    picture = draw_heatmap(score, 16777216, 16777224, "turbo")
    np.testing.assert_array_equal(picture[0, 1], _color("turbo", 0.5))


def test_constant_scores_have_the_first_color():
    picture = draw_heatmap(np.full((2, 2), 3.0, np.float32), 3, 3)
    assert (picture == _color("inferno", 0.0)).all()


def test_overlay_is_the_blend_by_hand():
    image = np.array([[[0, 100, 255]]], np.uint8)
    heat = np.array([[[200, 0, 5]]], np.uint8)
    assert draw_overlay(image, heat, 0.25)[0, 0].tolist() == [50, 75, 192]  # 192.5 to even
    assert draw_overlay(image, heat, 0.0).tolist() == image.tolist()
    assert draw_overlay(image, heat, 1.0).tolist() == heat.tolist()


def test_overlay_refuses_pictures_of_two_sizes():
    with pytest.raises(InputError, match="4x2 and score map 2x4 differ"):
        draw_overlay(np.zeros((2, 4, 3), np.uint8), np.zeros((4, 2, 3), np.uint8))


@pytest.mark.parametrize("height", [20, 300])
def test_color_bar_keeps_the_heatmap_and_shows_the_ends(height):
    heat = np.full((height, 40, 3), 77, np.uint8)
    picture = add_color_bar(heat, -5, 5, "energy", "turbo")
    np.testing.assert_array_equal(picture[:height, :40], heat)
    assert (picture[height:, :40] == 255).all()
    # The outline is blended over the outermost colours, so look one percent further in.
    panel = picture[:, 40:].reshape(-1, 3).astype(int)
    for position in (0.01, 0.99):
        distance = np.abs(panel - _color("turbo", position)).max(axis=1)
        assert distance.min() <= 12


def test_the_color_bar_labels_follow_the_range():
    heat = np.zeros((200, 10, 3), np.uint8)
    bars = [
        add_color_bar(heat, low, high, label)
        for low, high, label in [(0, 1, "msp"), (0, 2, "msp"), (0, 1, "energy")]
    ]
    assert not np.array_equal(bars[0], bars[1])
    assert not np.array_equal(bars[0], bars[2])
    constant = add_color_bar(heat, 2, 2, "msp")
    assert constant.shape == bars[0].shape


def test_label_colors():
    labels = np.array([[0, 1, 254]], np.uint8)
    assert draw_labels(labels, [[1, 2, 3], [4, 5, 6]])[0].tolist() == [
        [1, 2, 3],
        [4, 5, 6],
        [0, 0, 0],
    ]


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (np.nan, 1), (0, np.inf)])
def test_a_useless_range_is_refused(bounds):
    with pytest.raises(InputError, match="LO < HI"):
        check_range(*bounds)


def test_style_refuses_unknown_color_map_and_alpha():
    with pytest.raises(InputError, match="unknown colour map 'rainbowish'"):
        HeatmapStyle(cmap="rainbowish")
    with pytest.raises(InputError, match="alpha"):
        HeatmapStyle(alpha=1.5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        arrays(np.float32, (2, 3), elements=st.floats(allow_nan=False, width=32)),
        min_size=1,
        max_size=3,
    ),
    st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_range_equals_numpy_percentiles(maps, percentiles):
    pixels = np.concatenate([m.ravel() for m in maps])
    pixels = pixels[np.isfinite(pixels)]
    if not len(pixels):
        with pytest.raises(InputError, match="no pixel has a finite score"):
            score_range(lambda: iter(maps), percentiles)
        return
    expected = np.percentile(pixels.astype(np.float64), percentiles, method="inverted_cdf")
    assert score_range(lambda: iter(maps), percentiles) == tuple(expected)


def test_range_of_a_heavy_tailed_score():
    scores = np.random.default_rng(0).standard_cauchy((3, 50, 60)).astype(np.float32) ** 3
    expected = np.percentile(scores.astype(np.float64), (1, 99), method="inverted_cdf")
    assert score_range(lambda: iter(scores)) == tuple(expected)
    assert score_range(lambda: iter(scores), (0, 100)) == (scores.min(), scores.max())


@pytest.mark.parametrize("spread", [1, 1e-3])
def test_range_of_more_scores_than_are_counted_one_by_one(spread):
    scores = np.random.default_rng(1).normal(0, spread, (3, 400, 500)).astype(np.float32)
    scores[1, :2] = np.nan
    scores[2, 0, :3] = 7, -7, np.inf
    pixels = scores[np.isfinite(scores)].astype(np.float64)
    for percents in [(0, 100), (1, 99), (50, 50.0001), (100, 0.3)]:
        expected = np.percentile(pixels, percents, method="inverted_cdf")
        assert score_range(lambda: iter(scores), percents) == tuple(expected)
