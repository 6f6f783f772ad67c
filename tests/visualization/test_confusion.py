"""The confusion matrix plot: what it shows is read back from the figure and the file."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from mmosr.utils import InputError
from mmosr.visualization.confusion import (
    SEPARATOR,
    draw_confusion_matrix,
    format_share,
)
from mmosr.visualization.figure_parts import write_figure

# 'dog' has no image; three of the four unknown images are rejected.
MATRIX = np.array([[398, 0, 2], [0, 0, 0], [1, 0, 3]])


def random_matrix(classes):
    rng = np.random.default_rng(classes)
    return rng.integers(1, 5, (classes + 1, classes + 1)) + 90 * np.eye(classes + 1, dtype=int)


def numbers(figure):
    return {text.get_position(): text.get_text() for text in figure.axes[0].texts}


def test_rows_are_true_classes_in_percent():
    figure = draw_confusion_matrix(MATRIX, ["cat", "dog"], "A title")
    axes = figure.axes[0]
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown[0], [0.995, 0, 0.005])
    np.testing.assert_allclose(shown[2], [0.25, 0, 0.75])
    assert shown.mask[1].all()
    assert axes.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog", "unknown"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["cat (400)", "dog (0)", "unknown (4)"]
    assert axes.get_title() == "A title"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class (images)")
    # x is the predicted class.
    assert numbers(figure) == {
        (0, 0): ">99", (1, 0): "", (2, 0): "<1",
        (0, 1): "", (1, 1): "", (2, 1): "",
        (0, 2): "25", (1, 2): "", (2, 2): "75",
    }  # fmt: skip


@pytest.mark.parametrize(
    "share, text",
    [
        (0, ""), (1e-6, "<1"), (0.0099, "<1"), (0.01, "1"), (0.07, "7"), (0.985, "98"),
        (0.99, "99"), (0.9999, ">99"), (1, "100"),
    ],
)  # fmt: skip
def test_numbers_of_cells(share, text):
    assert format_share(share) == text


@pytest.mark.parametrize("classes", [6, 20])
def test_numbers_fit_their_cells_and_names_the_figure(classes):
    matrix = random_matrix(classes)
    matrix[0, :] = 0
    matrix[0, 0] = 100  # the widest number
    figure = draw_confusion_matrix(matrix, [f"class name {i}" for i in range(classes)], "t")
    figure.canvas.draw()
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    cell = axes.get_window_extent(renderer).width / (classes + 1)
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) == (classes + 1) ** 2
    assert max(box.width for box in boxes) < 0.9 * cell
    assert max(box.height for box in boxes) < 0.9 * cell
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label in labels:
            box = label.get_window_extent(renderer)
            assert box.x0 >= 0 and box.y0 >= 0
            assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    points = [text.get_fontsize() for text in axes.texts]
    assert min(points) >= 7


def test_numbers_are_legible_on_their_colour():
    figure = draw_confusion_matrix(random_matrix(6), list("abcdef"), "t")
    axes = figure.axes[0]
    image = axes.images[0]
    weights = np.array([0.2126, 0.7152, 0.0722])
    for text in axes.texts:
        column, row = text.get_position()
        cell = image.to_rgba(image.get_array())[row, column, :3] @ weights
        assert abs(cell - np.array(to_rgb(text.get_color())) @ weights) > 0.4


def test_lines_set_unknown_apart():
    lines = draw_confusion_matrix(random_matrix(6), list("abcdef"), "t").axes[0].lines
    assert sorted(tuple(line.get_xdata()) for line in lines) == [(0, 1), (5.5, 5.5)]
    assert sorted(tuple(line.get_ydata()) for line in lines) == [(0, 1), (5.5, 5.5)]
    assert {line.get_color() for line in lines} == {SEPARATOR}


def test_many_classes_have_no_numbers_and_a_bounded_size():
    figure = draw_confusion_matrix(random_matrix(200), [str(i) for i in range(200)], "t")
    assert not figure.axes[0].texts
    assert max(figure.get_size_inches()) < 20
    assert draw_confusion_matrix(random_matrix(40), [str(i) for i in range(40)], "t").axes[0].texts


def test_file_is_written(tmp_path):
    path = tmp_path / "new" / "confusion.png"
    write_figure(draw_confusion_matrix(random_matrix(6), list("abcdef"), "t"), path)
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert min(picture.shape[:2]) > 600
    for color in (SEPARATOR, "#08306b"):  # the lines; the darkest blue of the colour bar
        target = np.round(255 * np.array(to_rgb(color)))
        assert (np.abs(picture - target).max(-1) <= 12).sum() > 100
    assert [file.name for file in path.parent.iterdir()] == ["confusion.png"]


@pytest.mark.parametrize(
    "matrix, message",
    [
        (np.ones((2, 2)), r"has shape \(3, 3\), got \(2, 2\)"),
        (np.zeros((3, 3)), "counts no images"),
        (-np.eye(3), "negative"),
    ],
)
def test_bad_matrices_are_refused(matrix, message):
    with pytest.raises(InputError, match=message):
        draw_confusion_matrix(matrix, ["a", "b"], "t")
