"""Which images are for training, validation and test in BDD-Anomaly."""

import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmosr.preparation.recipes import UNKNOWN_IDS, split_lists
from mmosr.utils import InputError
from tests.datasets.contract import LOAD, labels_of
from tests.datasets.contract import write_label as write_map

from .downloads import SIZE, write_picture

CONTENT = {  # values of the label files
    "train/a": [0, 10, 255],
    "train/b": [0, 17],
    "train/c": [0, 15],
    "train/d": [255, 18],
    "val/a": [1, 12],
    "val/b": [0, 16],
}


@pytest.fixture
def root(tmp_path):
    for index, (name, values) in enumerate(CONTENT.items()):
        write_picture(tmp_path / "images" / f"{name}.jpg", index)
        pixels = np.full(SIZE, values[0], np.uint8)
        pixels[-1, -len(values) :] = values  # one pixel is enough
        write_map(tmp_path / "labels" / f"{name}_train_id.png", pixels)
    return tmp_path


@pytest.fixture
def labels(root):
    return {name: root / "labels" / f"{name}_train_id.png" for name in CONTENT}


def test_values(labels):
    assert split_lists(labels, UNKNOWN_IDS) == {
        "train": ["train/a", "train/c"],
        "val": ["val/a"],
        "test": ["train/b", "train/d", "val/b"],
    }


def test_other_unknown_classes(labels):
    assert split_lists(labels, [15, 18]) == {
        "train": ["train/a", "train/b"],
        "val": ["val/a", "val/b"],
        "test": ["train/c", "train/d"],
    }


def test_lists_feed_the_data_set(root, labels, mmseg_scope):
    lists = split_lists(labels, UNKNOWN_IDS)
    for split, names in lists.items():
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    for split, names in lists.items():
        cfg = dict(type="mmosr.BDDAnomalyDataset", data_root=str(root), split=split)
        dataset = DATASETS.build(dict(cfg, pipeline=LOAD))
        paths = [sample["data_samples"].img_path for sample in dataset]
        assert paths == [str(root / "images" / f"{name}.jpg") for name in names]
        assert all((254 in labels_of(s)) == (split == "test") for s in dataset)


def test_missing_label_file(labels):
    labels["val/a"].unlink()
    with pytest.raises(InputError, match=f"{labels['val/a']}"):
        split_lists(labels, UNKNOWN_IDS)


def test_wrong_label_values(labels):
    write_map(labels["val/a"], np.full(SIZE, 19, np.uint8))
    with pytest.raises(InputError, match=rf"{labels['val/a']} holds the values \[19\]"):
        split_lists(labels, UNKNOWN_IDS)


def test_nothing_left(labels):
    with pytest.raises(InputError, match="no images are left for the split 'train'"):
        split_lists(labels, range(19))
