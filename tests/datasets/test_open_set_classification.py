"""Known and unknown classes of mmpretrain's data sets, proven picture by picture."""

import json

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from mmpretrain.datasets import CIFAR10, MNIST
from mmpretrain.datasets import BaseDataset as PretrainDataset
from torch.utils.data import DataLoader

from mmosr.datasets import SVHN
from mmosr.utils import InputError
from tests.processes import fork_context

from .classification_contract import LABELS, TYPE, HostContract, everything, shown
from .image_hosts import (
    CLASSES,
    SmallCIFAR10,
    SmallCIFAR100,
    write_cifar10,
    write_cifar100,
    write_folders,
    write_listed,
    write_mnist,
    write_svhn,
)

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


class TestCIFAR10(HostContract):
    host, base = SmallCIFAR10, CIFAR10

    def write(self, root):
        write_cifar10(root)

    def arguments(self, root, role):
        return dict(data_root=str(root), download=False)

    @pytest.mark.parametrize("role", ["train", "val"])
    def test_test_files_never_reach_training(self, root, role):
        with pytest.raises(
            InputError, match="split='test' contains test images: role='(train|val)'"
        ):
            self.chosen(root, role, split="test", val_fraction=0.3)

    def test_training_files_may_be_tested(self, root):
        assert shown(self.chosen(root, "test", split="train")) == everything("train", LABELS)


class TestMNIST(HostContract):
    host, base = "MNIST", MNIST
    names = MNIST.METAINFO["classes"]

    def write(self, root):
        write_mnist(root)

    def arguments(self, root, role):
        return dict(data_root=str(root), download=False)


class TestSVHN(HostContract):
    host, base = "SVHN", SVHN
    names = tuple("0123456789")

    def write(self, root):
        write_svhn(root)


class TestFolders(HostContract):
    host = "CustomDataset"

    def write(self, root):
        write_folders(root)

    def arguments(self, root, role):
        return dict(data_root=str(root), data_prefix="test" if role == "test" else "train")

    def test_files_of_the_parts(self, root):
        """No file is in two of training, validation and test."""
        datasets = [self.chosen(root, role, val_fraction=0.3) for role in ("train", "val", "test")]
        paths = [{d.get_data_info(i)["img_path"] for i in range(len(d))} for d in datasets]
        assert sum(map(len, paths)) == len(set.union(*paths)) == 3 * 6 + 5 * 3

    def test_workers_that_are_spawned(self, root):
        pipeline = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
        dataset = self.chosen(root, "test", pipeline=pipeline)
        loader = DataLoader(
            dataset,
            batch_size=15,
            num_workers=1,
            collate_fn=pseudo_collate,
            multiprocessing_context=fork_context(),
        )
        (batch,) = loader
        assert [int(s.gt_label) for s in batch["data_samples"]] == dataset.get_gt_labels().tolist()
        for image, label in zip(batch["inputs"], batch["data_samples"], strict=True):
            class_id = int(image[2, 0, 0])  # blue, green, red
            assert LABELS[class_id] == int(label.gt_label)


class TestImageNet(TestFolders):
    """Its test files are those of ``val``; 10 of its classes, named by the user."""

    host = "ImageNet"

    def write(self, root):
        super().write(root)
        (root / "test").rename(root / "val")

    def arguments(self, root, role):
        return dict(data_root=str(root), classes=list(CLASSES))

    def test_validation_files_never_reach_training(self, root):
        with pytest.raises(InputError, match="split='val' contains test images"):
            self.chosen(root, "train", split="val")


class TestListed(HostContract):
    host = "CustomDataset"

    def write(self, root):
        write_listed(root)

    def arguments(self, root, role):
        ann_file = "test.txt" if role == "test" else "train.txt"
        return dict(data_root=str(root), ann_file=ann_file, metainfo=dict(classes=CLASSES))

    def test_no_class_names(self, root):
        with pytest.raises(InputError, match=r"has no class names: set metainfo=dict\(classes"):
            self.build(root, "train", metainfo=None)

    def test_label_out_of_range(self, root):
        with pytest.raises(InputError, match=r"png has label \d, but there are 4 classes"):
            self.build(root, "train", metainfo=dict(classes=CLASSES[:4]))


class TestAnnotationFile(HostContract):
    """OpenMMLab 2.0 annotations, which name the classes themselves."""

    host, base = PretrainDataset, PretrainDataset

    def write(self, root):
        write_listed(root)
        for part in ("train", "test"):
            rows = [line.split() for line in (root / f"{part}.txt").read_text().splitlines()]
            categories = [dict(id=i, category_name=name) for i, name in enumerate(CLASSES)]
            data = [dict(img_path=path, gt_label=int(label)) for path, label in rows]
            content = dict(metainfo=dict(categories=categories[::-1]), data_list=data)
            (root / f"{part}.json").write_text(json.dumps(content))

    def arguments(self, root, role):
        ann_file = "test.json" if role == "test" else "train.json"
        return dict(data_root=str(root), ann_file=ann_file)


def test_split_over_two_data_sets(tmp_path):
    """Unknown classes of the split are in another data set: here are only known images."""
    write_cifar10(tmp_path)
    cfg = dict(type=TYPE, host=SmallCIFAR10, data_root=str(tmp_path), download=False)
    dataset = DATASETS.build(dict(cfg, role="test", class_split="protocol_a/cifar+10", trial=2))
    assert shown(dataset) == everything("test", {0: 0, 1: 1, 8: 2, 9: 3})
    write_cifar100(tmp_path)
    cfg.update(host=SmallCIFAR100, role="train", class_split="protocol_a/cifar+10")
    with pytest.raises(InputError, match="has 100 classes, but the class split is for CIFAR10"):
        DATASETS.build(cfg)


def test_labels_are_plain_numbers(tmp_path):
    write_mnist(tmp_path)
    cfg = dict(type=TYPE, host="MNIST", data_root=str(tmp_path), download=False, role="test")
    item = DATASETS.build(dict(cfg, unknown_classes=[0])).get_data_info(0)
    assert type(item["gt_label"]) is int and type(item["class_id"]) is int
    assert isinstance(item["img"], np.ndarray)
