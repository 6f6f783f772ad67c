"""The label loader on its own."""

import warnings

import cv2
import numpy as np
import pytest
from mmengine.registry import TRANSFORMS
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmosr.datasets import LoadOpenSetAnnotations
from mmosr.datasets.transforms import label_meanings, label_table
from mmosr.utils import InputError


def load(
    path,
    label_map=None,
    reduce_zero_label=False,
    dataset_classes=None,
    label_values=None,
    **kwargs,
):
    results = dict(
        img_path="image.jpg",
        seg_map_path=str(path),
        label_map=label_map,
        reduce_zero_label=reduce_zero_label,
        seg_fields=[],
    )
    if dataset_classes is not None:
        results["num_classes"] = dataset_classes
    if label_values is not None:
        results["label_values"] = label_values
    results = LoadOpenSetAnnotations(**kwargs).transform(results)
    assert results["seg_fields"] == ["gt_seg_map"]
    return results["gt_seg_map"]


def save(path, values, mode=None):
    image = Image.fromarray(np.asarray(values))
    if mode is not None:
        image = image.convert(mode)
    image.save(path)
    return path


@pytest.fixture
def path(tmp_path):
    return save(tmp_path / "label.png", np.uint8([[0, 1, 2], [254, 255, 0]]))


def test_values_pass_unchanged(path):
    labels = load(path, num_classes=3)
    np.testing.assert_array_equal(labels, [[0, 1, 2], [254, 255, 0]])
    assert labels.dtype == np.uint8


def test_registered():
    transform = TRANSFORMS.build(dict(type="mmosr.LoadOpenSetAnnotations", num_classes=3))
    assert type(transform) is LoadOpenSetAnnotations


def test_number_of_classes_of_the_dataset_or_the_transform(path):
    load(path, dataset_classes=3)
    with pytest.raises(InputError, match=r"holds the values \[2\]: expected 0 to 1, 254.*255"):
        load(path, dataset_classes=2)
    load(path, dataset_classes=2, num_classes=3)  # the transform's own comes first
    with pytest.raises(InputError, match="num_classes is not set"):
        load(path)


def test_values_are_checked_after_the_label_map(path):
    np.testing.assert_array_equal(
        load(path, label_map={2: 254, 254: 255}, num_classes=2), [[0, 1, 254], [255, 255, 0]]
    )


def test_zero_label_is_reduced_first(tmp_path):
    path = save(tmp_path / "label.png", np.uint8([[0, 1], [2, 255]]))
    labels = load(path, reduce_zero_label=True, num_classes=2)
    np.testing.assert_array_equal(labels, [[255, 0], [1, 255]])


@pytest.mark.parametrize("reduce_zero_label", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_same_labels_as_the_host(tmp_path, mapped, reduce_zero_label):
    """Every value of a byte, mapped at random, as mmseg's own loader does."""
    generator = np.random.default_rng(0)
    path = save(tmp_path / "label.png", np.arange(256, dtype=np.uint8).reshape(8, 32))
    values = [*range(200), 254, 255]
    label_map = {i: int(generator.choice(values)) for i in range(220)} if mapped else None
    results = dict(seg_map_path=str(path), label_map=label_map, seg_fields=[])
    results["reduce_zero_label"] = reduce_zero_label
    expected = LoadAnnotations().transform(results)["gt_seg_map"]
    # 254 classes, so that no value is rejected
    labels = load(path, label_map, reduce_zero_label, num_classes=254)
    np.testing.assert_array_equal(labels, expected)


def test_ids_outside_a_byte_in_the_label_map(path):
    labels = load(path, label_map={-1: 0, 2: 1, 256: 0, 300: 0}, num_classes=2)
    np.testing.assert_array_equal(labels, [[0, 1, 1], [254, 255, 0]])


def test_messages_give_the_values_of_the_file(tmp_path):
    """With reduce_zero_label the classes in a file start at 1."""
    path = save(tmp_path / "label.png", np.uint8([[0, 1, 4, 9, 255]]))
    message = (
        r"label\.png holds the values \[4, 9\]: expected 0 \(ignored\), 1 to 3 or 255 \(ignored\);"
    )
    with pytest.raises(InputError, match=message):
        load(path, reduce_zero_label=True, num_classes=3)
    label_map = {0: 1, 1: 254, 2: 0, 253: 254}
    message = r"\[4, 9\]: .*0 \(ignored\), 1, 2 \(unknown\), 3, 254 \(unknown\) or 255 \(ign"
    with pytest.raises(InputError, match=message):
        load(path, label_map, reduce_zero_label=True, num_classes=2)


class TestValuesOfTheDataset:
    """``label_values``: allowed values in a file, before any mapping."""

    VALUES = {0: 0, 1: 0, 2: 254, 3: 254, 255: 255}
    MAP = {1: 0, 2: 254, 3: 254}

    def test_allowed_values_are_mapped(self, tmp_path):
        path = save(tmp_path / "label.png", np.uint8([[0, 1, 2], [3, 255, 0]]))
        labels = load(path, self.MAP, label_values=self.VALUES, dataset_classes=1)
        np.testing.assert_array_equal(labels, [[0, 0, 254], [254, 255, 0]])

    def test_a_value_that_the_map_would_hide(self, tmp_path):
        """254 is a label, but not a value in this benchmark's files."""
        path = save(tmp_path / "label.png", np.uint8([[0, 1, 2], [3, 4, 254]]))
        message = (
            rf"label file {path} holds the values \[4, 254\]: expected 0 to 1, "
            r"2 to 3 \(unknown\) or 255 \(ignored\); convert"
        )
        with pytest.raises(InputError, match=message):
            load(path, {**self.MAP, 4: 0}, label_values=self.VALUES, dataset_classes=1)

    @pytest.mark.parametrize("value", [254, 255])
    def test_a_label_that_no_file_holds(self, tmp_path, value):
        path = save(tmp_path / "label.png", np.uint8([[0, value]]))
        with pytest.raises(InputError, match=rf"holds the values \[{value}\]: expected 0;"):
            load(path, label_values={0: 0}, num_classes=1)

    def test_before_the_zero_label_is_reduced(self, tmp_path):
        path = save(tmp_path / "label.png", np.uint8([[1, 2]]))
        values = {1: 0, 2: 1}
        labels = load(path, reduce_zero_label=True, label_values=values, num_classes=2)
        np.testing.assert_array_equal(labels, [[0, 1]])
        save(path, np.uint8([[0, 1, 2, 3]]))
        with pytest.raises(InputError, match=r"holds the values \[0, 3\]: expected 1 to 2;"):
            load(path, reduce_zero_label=True, label_values=values, num_classes=2)

    def test_the_classes_are_checked_as_well(self, tmp_path):
        path = save(tmp_path / "label.png", np.uint8([[1, 5]]))
        with pytest.raises(InputError, match=r"holds the values \[5\]: expected 0 to 1, 254"):
            load(path, label_values={1: 1, 5: 5}, num_classes=2)


def test_palette_image_gives_indices(tmp_path):
    image = Image.fromarray(np.uint8([[0, 1], [2, 0]])).convert("P")
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    image.save(tmp_path / "label.png")
    np.testing.assert_array_equal(load(tmp_path / "label.png", num_classes=3), [[0, 1], [2, 0]])


def test_16_bits(tmp_path):
    path = save(tmp_path / "label.png", np.uint16([[0, 1], [2, 255]]))
    np.testing.assert_array_equal(load(path, num_classes=3), [[0, 1], [2, 255]])
    # 256 would wrap around to class 0.
    save(path, np.uint16([[0, 1], [2, 256]]))
    with pytest.raises(InputError, match=r"label\.png holds the value 256: expected .* below 256"):
        load(path, num_classes=3)


LABEL = np.uint8([[0, 1, 2, 254], [255, 0, 1, 2]])
ALPHA = np.uint8([[0, 3, 255, 255], [7, 254, 0, 1]])


@pytest.mark.parametrize("channels", ["LA", "RGB", "RGBA"])
def test_equal_channels_and_alpha(tmp_path, channels):
    bands = [ALPHA if band == "A" else LABEL for band in channels]
    path = tmp_path / "label.png"
    Image.merge(channels, [Image.fromarray(band) for band in bands]).save(path)
    assert Image.open(path).mode == channels
    labels = load(path, num_classes=3)
    np.testing.assert_array_equal(labels, LABEL)
    assert labels.dtype == np.uint8 and labels.ndim == 2


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 1)])
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_one_row_or_column(tmp_path, shape, mode):
    label = np.resize(np.uint8([0, 1, 2]), shape)
    path = save(tmp_path / "label.png", label, mode)
    np.testing.assert_array_equal(load(path, num_classes=3), label)


@pytest.mark.parametrize("backend", ["pillow", "cv2"])
@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("channels", [3, 4])
def test_colour_picture_is_refused(tmp_path, channels, channel, backend):
    """One pixel that differs in one channel is colour."""
    colours = np.dstack([LABEL] * channels)
    colours[1, 2, channel] ^= 1
    path = save(tmp_path / "label.png", colours)
    with pytest.raises(InputError, match=rf"label\.png has the shape \(2, 4, {channels}\)"):
        load(path, num_classes=3, imdecode_backend=backend)


def test_grey_palette_is_no_label(tmp_path):
    """OpenCV returns the greys of a palette, which are not the indices."""
    picture = Image.fromarray(np.uint8([[0, 1], [2, 0]])).convert("P")
    picture.putpalette([2, 2, 2, 1, 1, 1, 0, 0, 0])
    picture.save(tmp_path / "label.png", transparency=1)
    np.testing.assert_array_equal(load(tmp_path / "label.png", num_classes=3), [[0, 1], [2, 0]])
    with pytest.raises(InputError, match="has the shape"):
        load(tmp_path / "label.png", num_classes=3, imdecode_backend="cv2")


def test_16_bits_in_several_channels(tmp_path):
    """Pillow would keep the high byte: class 0 everywhere."""
    path = tmp_path / "label.png"
    wide = np.dstack([LABEL.astype(np.uint16)] * 3)
    assert cv2.imwrite(str(path), wide)
    assert np.asarray(Image.open(path)).max() == 0
    np.testing.assert_array_equal(load(path, num_classes=3), LABEL)
    assert cv2.imwrite(str(path), wide + np.uint16(256))
    with pytest.raises(InputError, match="holds the value 511: expected class ids below 256"):
        load(path, num_classes=3)


def test_values_that_are_no_bytes(tmp_path):
    path = save(tmp_path / "label.tiff", np.float32([[0, 1], [2, 255]]))
    np.testing.assert_array_equal(load(path, num_classes=3), [[0, 1], [2, 255]])
    for value, text in ((0.5, "0.5"), (-1, "-1"), (256, "256"), (np.nan, "nan")):
        save(path, np.float32([[0, value], [2, 255]]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError, match=rf"label\.tiff holds the value {text}"):
                load(path, num_classes=3)


def test_two_values(tmp_path):
    path = save(tmp_path / "label.png", np.array([[False, True]]))
    assert Image.open(path).mode == "1"
    np.testing.assert_array_equal(load(path, num_classes=2), [[0, 1]])


def test_zero_label_told_twice(path):
    with pytest.raises(InputError, match="reduce_zero_label is False in the dataset and True in"):
        results = dict(seg_map_path=str(path), reduce_zero_label=False, seg_fields=[])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the host's: the option is deprecated
            transform = LoadOpenSetAnnotations(num_classes=3, reduce_zero_label=True)
        transform.transform(results)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"label file .*gone\.png is missing"):
        load(tmp_path / "gone.png", num_classes=3)


def test_no_label_path():
    with pytest.raises(InputError, match=r"image\.jpg has no label file: set data_prefix"):
        LoadOpenSetAnnotations(num_classes=3).transform(dict(img_path="image.jpg", seg_fields=[]))


@pytest.mark.parametrize("backend", ["pillow", "cv2"])
@pytest.mark.parametrize("content", [b"", b"no image"])
def test_no_image(tmp_path, content, backend):
    path = tmp_path / "label.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"label\.png cannot be read as an image"):
        load(path, num_classes=3, imdecode_backend=backend)


def test_every_damaged_file_is_loaded_or_refused_by_name(path):
    """Cut anywhere, or with any byte changed: never another error than InputError."""
    whole, refused = path.read_bytes(), 0
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :] for i in range(len(whole))]
    for content in damaged:
        path.write_bytes(content)
        try:
            load(path, num_classes=3)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(damaged) / 2


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read as an image"):
        load(tmp_path, num_classes=3)


def test_meanings_by_the_rule_of_mmseg():
    known = {index: index for index in range(3)}
    assert label_meanings(label_table(False, None), 3) == {**known, 254: 254, 255: 255}
    reduced = {0: 255, 1: 0, 2: 1, 3: 2, 255: 255}
    assert label_meanings(label_table(True, None), 3) == reduced
    table = label_table(False, {0: 1, 1: 254, 2: 255, 3: -1, 4: 0})
    mapped = {0: 1, 1: 254, 2: 255, 3: 255, 4: 0, 254: 254, 255: 255}
    assert label_meanings(table, 2) == mapped
