"""The label loader alone."""

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmosr.datasets import LoadOpenSetAnnotations
from mmosr.utils import InputError


def load(path, label_map=None, reduce_zero_label=False, dataset_classes=None, **kwargs):
    results = dict(
        img_path="image.jpg",
        seg_map_path=str(path),
        label_map=label_map,
        reduce_zero_label=reduce_zero_label,
        seg_fields=[],
    )
    if dataset_classes is not None:
        results["num_classes"] = dataset_classes
    return LoadOpenSetAnnotations(**kwargs).transform(results)["gt_seg_map"]


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


def test_colour_picture_is_refused(tmp_path):
    path = save(tmp_path / "label.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(InputError, match=r"label\.png has the shape \(4, 5, 3\)"):
        load(path, num_classes=3)


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
