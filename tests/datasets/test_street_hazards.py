"""StreetHazards in the layout of its two downloads, with pictures that have alpha."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS
from PIL import Image

from mmosr.datasets import StreetHazardsDataset
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .contract import LOAD, NAMES, SIZE, DatasetContract, labels_of


def with_alpha(rgb):
    """RGBA with a non-constant alpha."""
    alpha = np.resize(np.uint8([0, 1, 127, 255]), SIZE)
    return np.dstack([rgb, alpha])


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)


class TestStreetHazardsDataset(DatasetContract):
    type = "mmosr.StreetHazardsDataset"
    data_prefix = dict(img_path="train/images/training", seg_map_path="train/annotations/training")
    image = label = "t1-3/{name}.png"
    options = dict(split="train")
    shift = 1
    first_wrong = 15

    def write_image(self, path, colour):
        save(path, with_alpha(np.full((*SIZE, 3), colour[::-1], np.uint8)))

    def write_label(self, path, label):
        """The first scene's label in grey, as published; the second's with alpha."""
        grey = np.dstack([label] * 3)
        save(path, label if path.stem == NAMES[0] else with_alpha(grey))

    def raw_label(self, index):
        """Every class and 254; no pixel is unlabelled."""
        label = super().raw_label(index)
        return np.where(label == IGNORE_LABEL, 3, label)

    def in_the_file(self, label):
        label = super().in_the_file(label)
        return np.where(label == UNKNOWN_LABEL, 14, label)

    def test_every_value_of_the_files(self, root):
        self.write_label(self.label_path(root), np.resize(np.arange(1, 15, dtype=np.uint8), SIZE))
        for unknown in (254, 255):
            dataset = self.build(root, mark_unknown=unknown == 254)
            expected = np.resize([*range(13), unknown], SIZE)
            np.testing.assert_array_equal(labels_of(dataset[0]), expected)
            assert dataset.label_values == {**{i + 1: i for i in range(13)}, 14: unknown}

    @pytest.mark.parametrize("value", [0, 15, 254, 255])
    def test_any_other_value_is_refused(self, root, value):
        label = np.full(SIZE, 14, np.uint8)
        label[5, 7] = value
        self.write_label(self.label_path(root), label)
        message = (
            rf"{self.label_path(root)} holds the values \[{value}\]: expected 1 to 13 or 14 "
            r"\(unknown\)"
        )
        with pytest.raises(InputError, match=message):
            self.build(root, mark_unknown=True)[0]

    def test_without_the_unlabelled_class(self, root):
        self.write_label(self.label_path(root), np.resize(np.arange(1, 15, dtype=np.uint8), SIZE))
        dataset = self.build(root, mark_unknown=True, ignored_classes="unlabeled")
        expected = np.resize([255, *range(12), 254], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)
        assert dataset.known_classes == StreetHazardsDataset.METAINFO["classes"][1:]

    def test_colours_of_an_image_with_alpha(self, root):
        bgr = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        path = self.image_path(root)
        assert cv2.imwrite(str(path), with_alpha(bgr))
        assert Image.open(path).mode == "RGBA"
        picture = self.build(root)[0]["inputs"].numpy()
        np.testing.assert_array_equal(picture, bgr.transpose(2, 0, 1))


def test_class_names():
    """The order of the authors' repository; 1 .. 13 in the files."""
    names = StreetHazardsDataset.METAINFO["classes"]
    assert [names.index(n) + 1 for n in ("unlabeled", "building", "other", "road line")] == [
        1, 2, 4, 7,
    ]  # fmt: skip
    assert [names.index(n) + 1 for n in ("road", "car", "traffic sign")] == [8, 11, 13]
    assert len(names) == 13


@pytest.mark.usefixtures("mmseg_scope")
class TestSplits:
    FOLDERS = {
        "train": "train/{}/training/t1-3",
        "val": "train/{}/validation/t4",
        "test": "test/{}/test/t5",
    }

    @pytest.fixture
    def root(self, tmp_path):
        for count, folder in enumerate(self.FOLDERS.values(), start=1):
            for number in range(count):
                image = tmp_path / folder.format("images") / f"{number}.png"
                save(image, with_alpha(np.full((*SIZE, 3), 10 * count, np.uint8)))
                label = tmp_path / folder.format("annotations") / f"{number}.png"
                save(label, np.resize(np.uint8([1, 14]), SIZE))
        return tmp_path

    def build(self, root, **kwargs):
        cfg = dict(type="mmosr.StreetHazardsDataset", data_root=str(root), pipeline=LOAD)
        return DATASETS.build({**cfg, **kwargs})

    @pytest.mark.parametrize(
        ("split", "count", "unknown"), [("train", 1, 255), ("val", 2, 255), ("test", 3, 254)]
    )
    def test_a_split(self, root, split, count, unknown):
        dataset = self.build(root, split=split)
        assert len(dataset) == count
        for sample in dataset:
            assert (sample["inputs"] == 10 * count).all()
            np.testing.assert_array_equal(labels_of(sample), np.resize([0, unknown], SIZE))
            expected = self.FOLDERS[split].format("annotations")
            assert expected in sample["data_samples"].seg_map_path

    def test_benchmark(self, root):
        cfg = Config.fromfile("configs/_base_/benchmarks/street_hazards.py").benchmark
        assert cfg.protocol == "street_hazards" and cfg.dataset.data_root == "data/street_hazards"
        dataset = DATASETS.build({**cfg.dataset, "data_root": str(root), "pipeline": LOAD})
        assert len(dataset) == 3 and set(np.unique(labels_of(dataset[0]))) == {0, 254}

    def test_no_such_split(self, root):
        with pytest.raises(InputError, match="split='training': choose from train, val, test"):
            self.build(root, split="training")
