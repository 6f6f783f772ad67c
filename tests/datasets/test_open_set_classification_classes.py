"""Which classes of a data set are known: choices, and attempts to show an unknown image."""

import json

import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmosr.datasets import load_split, open_set_classification_dataset
from mmosr.utils import InputError

from .classification_contract import TYPE, everything, shown
from .image_hosts import CLASSES, write_folders, write_listed

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


class TestLeaks:
    """Attempts to show an unknown image in training."""

    @pytest.fixture
    def root(self, tmp_path):
        write_listed(tmp_path)
        return tmp_path

    def build(self, root, role="train", **kwargs):
        cfg = dict(type=TYPE, role=role, data_root=str(root), ann_file="train.txt")
        return DATASETS.build({**cfg, "metainfo": dict(classes=CLASSES), **kwargs})

    def test_class_both_known_and_unknown(self, root):
        with pytest.raises(InputError, match="bird cannot be both known and unknown"):
            self.build(root, known_classes=["bird", "cat"], unknown_classes=["bird"])

    def test_split_with_further_classes(self, root):
        for argument in ("known_classes", "unknown_classes"):
            with pytest.raises(InputError, match="leave out known_classes and unknown_classes"):
                self.build(root, class_split="protocol_a/cifar10", **{argument: ["bird"]})

    def test_image_listed_under_two_classes(self, root):
        path = root / "train.txt"
        line = next(line for line in path.read_text().splitlines() if line.endswith(" 2"))
        path.write_text(f"{path.read_text()}{line[:-1]}9\n")
        message = f"{line.split()[0]} has the label of a known class and of one that is not"
        for role in ("train", "val"):
            with pytest.raises(InputError, match=message):
                self.build(root, role, known_classes=[2, 3], val_fraction=0.3)
        assert len(self.build(root, "test", known_classes=[2, 3])) == 61

    def test_test_mode_in_training(self, root):
        with pytest.raises(InputError, match="test_mode=True contradicts role='train'"):
            self.build(root, test_mode=True)
        with pytest.raises(InputError, match="test_mode=False contradicts role='test'"):
            self.build(root, "test", test_mode=False)
        assert self.build(root, "val", test_mode=True, val_fraction=0.2).test_mode

    def test_role_must_be_given(self, root):
        with pytest.raises(InputError, match="role='all': choose from train, val, test"):
            self.build(root, "all")
        with pytest.raises(TypeError, match="role"):
            open_set_classification_dataset(data_root=str(root), ann_file="train.txt")

    def test_meta_information_of_another_run(self, root):
        """Classes cannot be smuggled in by names."""
        names = list(CLASSES)
        names[2], names[9] = names[9], names[2]
        with pytest.raises(InputError, match="class 2 is 'truck'.* it is 'bird'"):
            self.build(root, class_split="protocol_a/cifar10", metainfo=dict(classes=names))

    @pytest.mark.parametrize("split", ["cac_release/cifar10", "animals_vehicles/cifar10"])
    def test_every_label_of_training_is_known(self, root, split):
        dataset = self.build(root, class_split=split)
        known = load_split(split).known
        assert {key[0] for key in shown(dataset)} == set(known)
        assert set(shown(dataset).values()) == set(range(len(known)))

    def test_validation_needs_a_share(self, root):
        with pytest.raises(InputError, match="role='val' needs val_fraction, the same"):
            self.build(root, "val")


class TestClasses:
    @pytest.fixture
    def root(self, tmp_path):
        write_folders(tmp_path)
        return tmp_path

    def build(self, root, role="test", **kwargs):
        cfg = dict(type=TYPE, role=role, data_root=str(root), data_prefix="test")
        return DATASETS.build({**cfg, **kwargs})

    @pytest.mark.parametrize(
        "kwargs, known, unknown",
        [
            (dict(), range(10), ()),
            (dict(known_classes=["dog", "cat"]), (3, 5), (0, 1, 2, 4, 6, 7, 8, 9)),
            (dict(unknown_classes=["dog", 0]), (1, 2, 3, 4, 6, 7, 8, 9), (0, 5)),
            (dict(unknown_classes="dog"), (0, 1, 2, 3, 4, 6, 7, 8, 9), (5,)),
            (dict(unknown_classes=np.int64(0)), (1, 2, 3, 4, 5, 6, 7, 8, 9), (0,)),
            (dict(known_classes=["dog"], unknown_classes=[]), (5,), ()),
            (dict(known_classes=[9, 0], unknown_classes=[1]), (0, 9), (1,)),
        ],
    )
    def test_defaults(self, root, kwargs, known, unknown):
        dataset = self.build(root, **kwargs)
        assert dataset.known_ids == tuple(known) and dataset.unknown_ids == tuple(unknown)
        labels = {class_id: label for label, class_id in enumerate(known)}
        labels.update(dict.fromkeys(unknown, -1))
        assert shown(dataset) == everything("test", labels)

    @pytest.mark.parametrize(
        "kwargs, message",
        [
            (
                dict(known_classes=["dgo"]),
                "known_classes names 'dgo', which is not a class.*airplane",
            ),
            (dict(unknown_classes=[10]), r"unknown_classes names 10.* \(ids 0 to 9\)"),
            (dict(unknown_classes=[-1]), "unknown_classes names -1"),
            (dict(known_classes=[2.0]), "known_classes names 2.0, which is not a class"),
            (dict(known_classes=["dog", 5]), "known_classes names dog twice"),
            (dict(unknown_classes=list(range(10))), "no class is known"),
            (dict(class_split="protocol_a/cifar11"), "did you mean protocol_a/cifar10"),
            (dict(class_split="protocol_a/cifar10", trial=5), "no trial 5: choose one of 0, 1"),
            (dict(class_split="protocol_a/tinyimagenet"), "has 10 classes.*TinyImageNet with 200"),
            (dict(host="CustomDatset"), "no dataset 'CustomDatset'; did you mean CustomDataset"),
            (dict(host="CityscapesDataset"), "there is no dataset 'CityscapesDataset'"),
            (dict(host="ConcatDataset"), "ConcatDataset is not an mmpretrain dataset for image"),
            (dict(data_prefix="train/dog"), "Found 0 files"),
        ],
    )
    def test_errors(self, root, kwargs, message):
        with pytest.raises(InputError, match=message):
            self.build(root, **kwargs)

    def test_class_without_images(self, tmp_path):
        write_folders(tmp_path)
        for path in (tmp_path / "train" / "dog").iterdir():
            path.unlink()
        with pytest.raises(InputError, match="role='train' has no images of dog"):
            self.build(tmp_path, "train", data_prefix="train")

    def test_share_of_a_class_stays_with_other_splits(self, root):
        def reserved(**kwargs):
            dataset = self.build(root, "val", data_prefix="train", val_fraction=0.3, **kwargs)
            return {key for key in shown(dataset) if key[0] == 5}

        assert reserved(known_classes=[5]) == reserved(unknown_classes=[1, 2]) != set()

    def test_several_labels_are_refused(self, tmp_path):
        content = dict(metainfo={}, data_list=[dict(img_path="a.png", gt_label=[0, 1])])
        (tmp_path / "train.json").write_text(json.dumps(content))
        cfg = dict(type=TYPE, host="BaseDataset", role="train", metainfo=dict(classes=CLASSES))
        with pytest.raises(InputError, match=r"a\.png has no single class id"):
            DATASETS.build(dict(cfg, ann_file=str(tmp_path / "train.json")))
