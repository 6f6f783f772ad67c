"""BDD-Anomaly: the data set, and the lists of its split."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from mmosr.datasets.bdd_anomaly import BDDAnomalyDataset
from mmosr.utils import InputError

from .contract import LOAD, NAMES, SIZE, DatasetContract, labels_of, write_image, write_label


def image_and_label(root, name):
    return root / "images" / f"{name}.jpg", root / "labels" / f"{name}_train_id.png"


class TestBDDAnomalyDataset(DatasetContract):
    """One scene is in BDD100K's training folder, the other in its validation folder."""

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

    def test_empty_options_mean_those_of_the_split(self, root):
        empty = dict(ann_file="", data_prefix={}, unknown_classes=None)
        dataset = DATASETS.build(dict(type=self.type, data_root=str(root), lazy_init=True, **empty))
        assert dataset.ann_file == str(root / "test.txt")
        assert dataset.data_prefix["img_path"] == str(root / "images")
        assert dataset.unknown_classes == ("train", "motorcycle", "bicycle")

    def test_misspelt_option(self, root):
        for value in (None, "val.txt"):
            with pytest.raises(TypeError, match="ann_fil"):
                BDDAnomalyDataset(data_root=str(root), ann_fil=value)

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
        with pytest.raises(InputError, match="split='validation': choose from train, val, test"):
            self.build(root, split="validation")
