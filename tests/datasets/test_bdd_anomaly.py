"""BDD-Anomaly: the data set, and the lists of its split."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from mmosr.datasets.bdd_anomaly import BDDAnomalyDataset, split_lists
from mmosr.utils import InputError

from .contract import LOAD, NAMES, SIZE, DatasetContract, labels_of, write_image, write_label


def image_and_label(root, name):
    return root / "images" / f"{name}.jpg", root / "labels" / f"{name}_train_id.png"


class TestBDDAnomalyDataset(DatasetContract):
    """One scene lies in BDD100K's training folder, the other one in its validation folder."""

    type = "mmosr.BDDAnomalyDataset"
    data_prefix = dict(img_path="images", seg_map_path="labels")
    options = dict(unknown_classes=(), mark_unknown=False)
    listed = True

    def prepare(self, root):
        super().prepare(root)
        (root / "test.txt").write_text(f"train/{NAMES[1]}\nval/{NAMES[0]}\n")
        write_image(root / "images" / "train" / "not_listed.jpg", 90)

    def image_path(self, root, name=NAMES[1]):
        return image_and_label(root, f"{'train' if name == NAMES[1] else 'val'}/{name}")[0]

    def label_path(self, root, name=NAMES[1]):
        return image_and_label(root, f"{'train' if name == NAMES[1] else 'val'}/{name}")[1]

    def test_default_unknown_classes(self, root):
        write_label(self.label_path(root), np.resize(np.uint8([*range(19), 255]), SIZE))
        dataset = DATASETS.build(dict(type=self.type, data_root=str(root), pipeline=LOAD))
        expected = np.resize([*range(16), 254, 254, 254, 255], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)
        assert dataset.known_classes == BDDAnomalyDataset.METAINFO["classes"][:16]
        held_out = BDDAnomalyDataset.METAINFO["classes"][16:]
        assert held_out == ("train", "motorcycle", "bicycle") == dataset.unknown_classes

    @pytest.mark.parametrize(("split", "unknown"), [("train", 255), ("val", 255), ("test", 254)])
    def test_a_split(self, root, split, unknown):
        (root / f"{split}.txt").write_text(f"val/{NAMES[0]}\n")
        dataset = DATASETS.build(
            dict(type=self.type, data_root=str(root), split=split, pipeline=LOAD)
        )
        raw = self.raw_label(0)
        expected = np.where(np.isin(raw, (16, 17, 18, 254)), unknown, raw)
        assert len(dataset) == 1
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)

    def test_benchmark(self, root):
        cfg = Config.fromfile("configs/_base_/benchmarks/bdd_anomaly.py").benchmark
        assert cfg.protocol == "bdd_anomaly" and cfg.dataset.data_root == "data/bdd_anomaly"
        dataset = DATASETS.build({**cfg.dataset, "data_root": str(root), "pipeline": LOAD})
        assert [(labels_of(s) == 254).sum() for s in dataset] == [
            np.isin(self.raw_label(i), (16, 17, 18, 254)).sum() for i in (1, 0)
        ]

    def test_no_list(self, root):
        for split in ("train", "val"):
            message = rf"list of images {root}/{split}\.txt does not exist: run .*prepare\.py bdd_"
            with pytest.raises(InputError, match=message):
                self.build(root, split=split)

    def test_no_such_split(self, root):
        with pytest.raises(InputError, match="no split 'validation': choose train, val, test"):
            self.build(root, split="validation")


CONTENT = {  # values of the label files
    "train/a": [0, 10, 255],
    "train/b": [0, 17],
    "train/c": [0, 15],
    "train/d": [255, 18],
    "val/a": [1, 12],
    "val/b": [0, 16],
}


class TestSplitLists:
    @pytest.fixture
    def root(self, tmp_path):
        for name, values in CONTENT.items():
            image, label = image_and_label(tmp_path, name)
            write_image(image, 90)
            pixels = np.full(SIZE, values[0], np.uint8)
            pixels[-1, -len(values) :] = values  # one pixel is enough
            write_label(label, pixels)
        (tmp_path / "images" / "test").mkdir()  # BDD100K's own, without labels
        return tmp_path

    def test_values(self, root):
        assert split_lists(root) == {
            "train": ["train/a", "train/c"],
            "val": ["val/a"],
            "test": ["train/b", "train/d", "val/b"],
        }

    def test_other_unknown_classes(self, root):
        assert split_lists(root, unknown_ids=[15, 18]) == {
            "train": ["train/a", "train/b"],
            "val": ["val/a", "val/b"],
            "test": ["train/c", "train/d"],
        }

    def test_lists_feed_the_data_set(self, root, mmseg_scope):
        lists = split_lists(root)
        for split, names in lists.items():
            (root / f"{split}.txt").write_text("\n".join(names) + "\n")
        for split, names in lists.items():
            cfg = dict(type="mmosr.BDDAnomalyDataset", data_root=str(root), split=split)
            dataset = DATASETS.build(dict(cfg, pipeline=LOAD))
            paths = [sample["data_samples"].img_path for sample in dataset]
            assert paths == [str(image_and_label(root, name)[0]) for name in names]
            assert all((254 in labels_of(s)) == (split == "test") for s in dataset)

    def test_progress_wraps_all_images(self, root):
        seen = []
        split_lists(root, progress=lambda names: seen.extend(names) or names)
        assert seen == sorted(CONTENT)

    @pytest.mark.parametrize("part", [0, 1])
    def test_missing_counterpart(self, root, part):
        paths = image_and_label(root, "val/a")
        paths[part].unlink()
        message = [f"label file {paths[1]} has no image", f"image {paths[0]} has no label file"]
        with pytest.raises(InputError, match=message[part]):
            split_lists(root)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(InputError, match=f"folder {tmp_path}/images/train does not exist"):
            split_lists(tmp_path)

    def test_wrong_label_values(self, root):
        label = image_and_label(root, "val/a")[1]
        write_label(label, np.full(SIZE, 19, np.uint8))
        with pytest.raises(InputError, match=rf"{label} holds the values \[19\]"):
            split_lists(root)

    @pytest.mark.parametrize("ids", [(), (16, 19), (255,), (-1,)])
    def test_ids_that_are_no_class(self, root, ids):
        with pytest.raises(InputError, match="unknown train ids .* from 0 to 18"):
            split_lists(root, ids)

    def test_nothing_left(self, root):
        with pytest.raises(InputError, match="no image is left for the split 'train'"):
            split_lists(root, range(19))
