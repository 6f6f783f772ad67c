"""Frames are read back from the panels and from the written picture."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmosr.utils import InputError
from mmosr.visualization import draw_heatmap
from mmosr.visualization.figure_parts import write_figure
from mmosr.visualization.frames import (
    BACKGROUND,
    IGNORED_COLORS,
    OUTLINE_COLOR,
    TITLES,
    UNKNOWN_RGB,
    Frame,
    draw_frames,
    draw_truth,
    frame_panels,
    outline,
)


def _write(path, image):
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def _frame(folder, name="a.png", shape=(60, 80), seed=0, caption="a: AP 12.3 %"):
    """An image with an unknown block, an ignored band and its own score map."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    label = np.full(shape, 7, np.uint8)
    label[20:30, 40:60] = 254
    label[:10] = 255
    score = rng.normal(size=shape).astype(np.float32)
    return image, Frame(_write(folder / name, image), label, score, caption)


def test_small_frames_keep_their_pixels(tmp_path):
    image, frame = _frame(tmp_path)
    panels = frame_panels(frame, -2, 2)
    assert [panel.shape for panel in panels] == [(60, 80, 3)] * 4
    np.testing.assert_array_equal(panels[0], image)
    heatmap = draw_heatmap(frame.score, -2, 2)
    np.testing.assert_array_equal(panels[2], heatmap)
    far = np.ones((60, 80), bool)
    far[17:33, 37:63] = False  # the block and two pixels around it
    blend = np.rint((image.astype(float) + heatmap) / 2).astype(np.uint8)
    np.testing.assert_array_equal(panels[3][far], blend[far])
    np.testing.assert_array_equal(panels[3][20:30, 40:60], blend[20:30, 40:60])


def test_ground_truth_colors_and_outline(tmp_path):
    _, frame = _frame(tmp_path)
    _, truth, _, overlay = frame_panels(frame, -2, 2)
    assert (truth[20:30, 40:60] == UNKNOWN_RGB).all()
    assert (truth[40:] == BACKGROUND).all()
    assert {tuple(color) for color in truth[:10].reshape(-1, 3).tolist()} == set(IGNORED_COLORS)
    for picture in (truth, overlay):
        lines = (picture == OUTLINE_COLOR).all(axis=2)
        expected = np.zeros((60, 80), bool)
        expected[19:31, 39:61] = True
        expected[20:30, 40:60] = False
        np.testing.assert_array_equal(lines, expected)
        assert (picture[18, 38:62] == 0).all()  # the dark ring


def test_outline_leaves_its_argument_and_an_empty_mask_alone():
    picture = np.full((5, 5, 3), 9, np.uint8)
    mask = np.zeros((5, 5), bool)
    np.testing.assert_array_equal(outline(picture, mask), picture)
    mask[0, 0] = True
    drawn = outline(picture, mask)
    assert (picture == 9).all()
    assert drawn[0, 0].tolist() == [9, 9, 9]
    assert drawn[1, 1].tolist() == list(OUTLINE_COLOR)
    assert drawn[2, 0].tolist() == [0, 0, 0]
    assert drawn[3, 3].tolist() == [9, 9, 9]


def test_unknown_wins_over_ignored():
    unknown, ignored = np.array([[True, False, False]]), np.array([[True, True, False]])
    colors = draw_truth(unknown, ignored)[0].tolist()
    assert colors == [list(UNKNOWN_RGB), list(IGNORED_COLORS[0]), list(BACKGROUND)]


def test_a_large_frame_is_scaled_down_and_a_single_unknown_pixel_stays(tmp_path):
    image = np.zeros((400, 1600, 3), np.uint8)
    image[:, 800:] = (10, 200, 30)
    label = np.zeros((400, 1600), np.uint8)
    label[201, 403] = 254
    label[:, 1000:1002] = 255  # less than half of a pixel of the panel
    label[:, 1200:1300] = 255
    score = np.where(np.arange(1600) < 800, 0, 5).astype(np.float16) * np.ones((400, 1), np.float16)
    frame = Frame(_write(tmp_path / "b.png", image), label, score, "")
    picture, truth, heatmap, _ = frame_panels(frame, 0, 5, width=320)
    assert picture.shape == (80, 320, 3)
    assert picture[40, 100].tolist() == [0, 0, 0]
    assert picture[40, 250].tolist() == [10, 200, 30]
    unknown = np.argwhere((truth == UNKNOWN_RGB).all(axis=2))
    assert unknown.tolist() == [[40, 80]]
    assert truth[10, 200].tolist() == list(BACKGROUND)
    assert tuple(truth[10, 250].tolist()) in IGNORED_COLORS
    np.testing.assert_array_equal(heatmap[40, 10], draw_heatmap(np.zeros((1, 1)), 0, 5)[0, 0])
    np.testing.assert_array_equal(heatmap[40, 310], draw_heatmap(np.full((1, 1), 5), 0, 5)[0, 0])


def _panels_of(figure):
    """Pictures of the drawn axes, in the order of drawing, four per row."""
    return [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]


def test_figure_has_one_range_captions_and_titles(tmp_path):
    frames = [
        _frame(tmp_path, f"{i}.png", seed=i, caption=f"frame {i}: AP {i}.5 %")[1] for i in range(3)
    ]
    figure = draw_frames(frames, "Worst frames", (-3, 5))
    panels = _panels_of(figure)
    assert len(panels) == 12
    for row, frame in enumerate(frames):
        np.testing.assert_array_equal(panels[4 * row + 2], draw_heatmap(frame.score, -3, 5))
    assert [text.get_text() for text in figure.texts] == [
        "Worst frames",
        *(frame.caption for frame in frames),
    ]
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["Image", "Ground truth", "Anomaly score", "Overlay, outline of the unknown"]
    (bar,) = [axes for axes in figure.axes if axes.get_yticklabels() and not axes.get_images()]
    assert [tick.get_text() for tick in bar.get_yticklabels()] == ["-3", "-1", "1", "3", "5"]
    assert bar.get_ylim() == (-3, 5)
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["known", "unknown", "ignored"]
    assert key.get_patches()[1].get_facecolor()[:3] == pytest.approx(np.array(UNKNOWN_RGB) / 255)
    tops = [text.get_position()[1] for text in figure.texts]
    assert tops == sorted(tops, reverse=True)


def test_the_written_picture_holds_the_panels_pixel_by_pixel(tmp_path):
    frames = [_frame(tmp_path, "a.png", seed=1)[1], _frame(tmp_path, "b.png", (50, 70), 2)[1]]
    path = tmp_path / "out" / "best.png"
    write_figure(draw_frames(frames, "Best frames", (-2, 2)), path)
    picture = cv2.imread(str(path))[..., ::-1]
    for frame in frames:
        for panel in frame_panels(frame, -2, 2):
            found = cv2.matchTemplate(picture, panel, cv2.TM_SQDIFF)
            y, x = np.unravel_index(found.argmin(), found.shape)
            place = picture[y : y + panel.shape[0], x : x + panel.shape[1]]
            np.testing.assert_array_equal(place, panel)
    assert [file.name for file in path.parent.iterdir()] == ["best.png"]


def test_a_constant_score_has_a_bar_of_one_value(tmp_path):
    _, frame = _frame(tmp_path)
    frame.score[:] = 4
    figure = draw_frames([frame], "", (4, 4))
    panels = _panels_of(figure)
    np.testing.assert_array_equal(panels[2], draw_heatmap(frame.score, 4, 4))
    figure.savefig(tmp_path / "constant.png")


def test_bad_input_is_one_clear_line(tmp_path):
    _, frame = _frame(tmp_path)
    with pytest.raises(InputError, match="no frames to draw"):
        draw_frames([], "", (0, 1))
    for bounds in ((2, 1), (0, np.inf), (np.nan, 1)):
        with pytest.raises(InputError, match="LO <= HI"):
            draw_frames([frame], "", bounds)
    label, score = frame.label[:50], frame.score[:50]
    named = re.escape(str(tmp_path / "a.png"))
    with pytest.raises(InputError, match=f"image '{named}' is 80x60, its label 80x50"):
        frame_panels(Frame(frame.image, label, score, ""), 0, 1)
    with pytest.raises(InputError, match=rf"frame '{named}': label of shape \(50, 80\)"):
        frame_panels(Frame(frame.image, label, frame.score, ""), 0, 1)
    with pytest.raises(InputError, match="cannot be read"):
        frame_panels(Frame(Path("missing.png"), frame.label, frame.score, ""), 0, 1)


def test_chosen_columns_enlarged(tmp_path):
    image, frame = _frame(tmp_path)
    frame.prediction = np.full((60, 80, 3), (1, 2, 3), np.uint8)
    columns = ("outlined", "prediction", "score")
    outlined, prediction, heatmap = frame_panels(frame, -2, 2, columns=columns, zoom=3)
    assert {panel.shape for panel in (outlined, prediction, heatmap)} == {(180, 240, 3)}
    assert (prediction == (1, 2, 3)).all()
    # Each pixel becomes nine; the outline is as thin as before.
    coloured = draw_heatmap(frame.score, -2, 2)
    np.testing.assert_array_equal(heatmap[1::3, 1::3], coloured)
    lines = (outlined == OUTLINE_COLOR).all(axis=2)
    expected = np.zeros((180, 240), bool)
    expected[59:91, 119:181] = True
    expected[60:90, 120:180] = False
    np.testing.assert_array_equal(lines, expected)
    np.testing.assert_array_equal(outlined[1:150:3, 1:100:3], image[:50, :33])
    limited = frame_panels(frame, -2, 2, width=120, columns=columns, zoom=3)
    assert [panel.shape for panel in limited] == [(90, 120, 3)] * 3


def test_titles_and_key_follow_the_columns(tmp_path):
    _, frame = _frame(tmp_path)
    for columns, key in ((("image", "score"), 0), (("truth",), 1)):
        figure = draw_frames([frame], "", (-2, 2), columns=columns)
        titles = [axes.get_title() for axes in figure.axes[: len(columns)]]
        assert titles == [TITLES[column] for column in columns]
        assert len(figure.legends) == key
