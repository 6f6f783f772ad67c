"""SVHN's MATLAB files."""

import numpy as np
import pytest
from scipy.io import savemat

from mmosr.datasets import SVHN
from mmosr.utils import InputError

from .image_hosts import picture, shuffled, write_svhn


@pytest.mark.parametrize("split", ["train", "test"])
def test_pictures_and_digits(tmp_path, split):
    write_svhn(tmp_path)
    dataset = SVHN(str(tmp_path), split=split)
    pairs = shuffled(split)
    assert len(dataset) == len(pairs)
    for index, (digit, number) in enumerate(pairs):
        item = dataset.get_data_info(index)
        assert item["gt_label"] == digit
        np.testing.assert_array_equal(item["img"], picture(digit, number, split))
    assert dataset.metainfo["classes"] == tuple("0123456789")


def test_errors(tmp_path):
    with pytest.raises(InputError, match="split='val': choose from train, test, extra"):
        SVHN(str(tmp_path), split="val")
    with pytest.raises(InputError, match=r"train_32x32\.mat does not exist: docs/image_data\.md"):
        SVHN(str(tmp_path))
    path = tmp_path / "test_32x32.mat"
    images = np.zeros((32, 32, 3, 4), np.uint8)
    for content, message in (
        ({"X": images}, "not a MATLAB file with X and y"),
        ({"X": images, "y": np.ones((3, 1))}, "3 labels: expected"),
        ({"X": images, "y": np.zeros((4, 1))}, "4 labels: expected .* of 1 to 10"),
        ({"X": images, "y": np.full((4, 1), 11)}, "expected .* of 1 to 10"),
    ):
        savemat(path, content)
        with pytest.raises(InputError, match=message):
            SVHN(str(tmp_path), split="test")
    write_svhn(tmp_path)
    whole = path.read_bytes()
    for content in (b"not a MATLAB file", b"not a MATLAB file" * 200, whole[:-3000], b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"test_32x32\.mat is not a MATLAB file"):
            SVHN(str(tmp_path), split="test")
