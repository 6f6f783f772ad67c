"""What distinguishes the images of two trials."""

import numpy as np
import pytest

from mmosr.benchmark.images.data import _count
from mmosr.runs.hashes import content_hash


class Items(list):
    def get_data_info(self, index):
        return self[index]


def pictures(*values, labels=(0, -1)):
    return Items(
        dict(img=np.full((2, 2, 3), value, np.uint8), gt_label=label)
        for value, label in zip(values, labels, strict=True)
    )


def files(root, *names):
    return Items(dict(img_path=f"{root}/train/{name}", gt_label=0) for name in names)


def test_counts_and_names():
    found = _count(files("/data/cifar", "cat/1.png", "dog/2.png"))
    names = [["train/cat/1.png", 0], ["train/dog/2.png", 0]]
    assert found == {"known": 2, "unknown": 0, "images_sha256": content_hash(names)}
    assert found == _count(files("/elsewhere", "cat/1.png", "dog/2.png"))
    assert _count(pictures(1, 2))["known"] == _count(pictures(1, 2))["unknown"] == 1


@pytest.mark.parametrize(
    "other",
    [pictures(1, 3), pictures(2, 1), pictures(1, 2, labels=(1, -1)), pictures(1, labels=(0,))],
)
def test_pictures_without_files(other):
    first = _count(pictures(1, 2))["images_sha256"]
    assert first == _count(pictures(1, 2))["images_sha256"]
    assert first != _count(other)["images_sha256"]
