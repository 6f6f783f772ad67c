"""Unknown images from their own data set, and tests of two data sets."""

import pickle

import pytest
from mmengine.dataset import ConcatDataset
from mmengine.registry import DATASETS

from mmosr.datasets import load_split
from mmosr.utils import InputError

from .image_hosts import (
    CLASSES,
    COUNTS,
    SmallCIFAR10,
    SmallCIFAR100,
    identity,
    write_cifar10,
    write_cifar100,
    write_folders,
    write_listed,
    write_mnist,
)

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


def unknown(root, **kwargs):
    cfg = dict(type="mmosr.UnknownImages", data_root=str(root), data_prefix="test")
    return DATASETS.build({**cfg, **kwargs})


def identities(dataset):
    items = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert all(item["gt_label"] == -1 for item in items)
    keys = [identity(item.get("img", item.get("img_path"))) for item in items]
    assert len(set(keys)) == len(keys)
    return keys


def test_whole_folder(tmp_path):
    write_folders(tmp_path)
    dataset = unknown(tmp_path)
    assert sorted(identities(dataset)) == [(c, n, 1) for c in range(10) for n in range(3)]
    assert dataset.test_mode and dataset.metainfo["classes"] == ()


def test_folder_without_classes(tmp_path):
    write_listed(tmp_path)
    dataset = unknown(tmp_path, data_prefix="images", with_label=False)
    assert len(identities(dataset)) == 10 * (6 + 3)


@pytest.mark.parametrize("classes", [["dog", "airplane"], [5, 0]])
def test_classes_of_a_folder(tmp_path, classes):
    write_folders(tmp_path)
    keys = identities(unknown(tmp_path, unknown_classes=classes))
    assert sorted(keys) == [(c, n, 1) for c in (0, 5) for n in range(3)]


def test_sample(tmp_path):
    write_folders(tmp_path)
    everything = identities(unknown(tmp_path))
    first = identities(unknown(tmp_path, num=12, seed=3))
    assert len(first) == 12 and set(first) < set(everything)
    assert first == identities(unknown(tmp_path, num=12, seed=3))
    assert first != identities(unknown(tmp_path, num=12, seed=4))
    few = identities(unknown(tmp_path, unknown_classes=["dog"], num=2))
    assert {key[0] for key in few} == {5}


def test_published_split(tmp_path):
    write_cifar100(tmp_path)
    for trial in (0, 3):
        split = load_split("protocol_a/cifar+10", trial)
        kwargs = dict(host=SmallCIFAR100, data_prefix="", download=False)
        dataset = unknown(tmp_path, class_split=split.identifier, trial=trial, **kwargs)
        expected = [(c, n, 1) for c in split.unknown for n in range(COUNTS["test"])]
        assert sorted(identities(dataset)) == expected
        assert len(pickle.loads(pickle.dumps(dataset))) == 30


@pytest.mark.parametrize("role", ["train", "val"])
def test_never_in_training(tmp_path, role):
    write_folders(tmp_path)
    with pytest.raises(InputError, match=f"role='{role}': unknown images are for tests, never"):
        unknown(tmp_path, role=role)
    with pytest.raises(InputError, match="test_mode=False contradicts role='test'"):
        unknown(tmp_path, test_mode=False)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        (dict(unknown_classes=["zebra"]), "unknown_classes names 'zebra', which is not a class"),
        (dict(unknown_classes=[]), "there are no images of the unknown classes"),
        (dict(num=31), "31 of 30 images cannot be drawn"),
        (dict(class_split="cac_ccr/cifar100"), "has 10 classes.*CIFAR100 with 100"),
        (dict(class_split="cac_ccr/cifar100", unknown_classes=[1]), "names the classes already"),
        (dict(with_label=False, unknown_classes=[1]), "the data has no class names"),
        (dict(host="Foo"), "UnknownImages: there is no dataset 'Foo'"),
    ],
)
def test_errors(tmp_path, kwargs, message):
    write_folders(tmp_path)
    with pytest.raises(InputError, match=message):
        unknown(tmp_path, **kwargs)


class TestTwoDataSets:
    @pytest.fixture
    def known(self, tmp_path):
        write_cifar10(tmp_path / "known")
        return dict(
            type="mmosr.OpenSetClassificationDataset",
            host=SmallCIFAR10,
            role="test",
            data_root=str(tmp_path / "known"),
            download=False,
            class_split="protocol_a/cifar+10",
        )

    @pytest.fixture
    def unknown(self, tmp_path):
        write_cifar100(tmp_path / "unknown")
        return dict(
            type="mmosr.UnknownImages",
            host=SmallCIFAR100,
            data_root=str(tmp_path / "unknown"),
            download=False,
            class_split="protocol_a/cifar+10",
        )

    def build(self, known, unknown, **kwargs):
        return DATASETS.build(
            dict(type="mmosr.OpenSetTestData", known=known, unknown=unknown, **kwargs)
        )

    def test_cifar_plus(self, known, unknown):
        dataset = self.build(known, unknown, pipeline=[dict(type="PackInputs")])
        assert isinstance(dataset, ConcatDataset)
        assert dataset.metainfo["classes"] == ("airplane", "automobile", "ship", "truck")
        samples = [dataset[i] for i in range(len(dataset))]
        labels = [int(s["data_samples"].gt_label) for s in samples]
        classes = [int(s["inputs"][0, 0, 0]) for s in samples]
        split = load_split("protocol_a/cifar+10", 0)
        expected = {(c, k) for k, c in enumerate(split.known)} | {(c, -1) for c in split.unknown}
        assert set(zip(classes, labels, strict=True)) == expected
        assert [label >= 0 for label in labels] == [True] * 12 + [False] * 30

    @pytest.mark.parametrize("ratio, count", [(1, 12), (0.5, 6), (2.5, 30)])
    def test_ratio(self, known, unknown, ratio, count):
        dataset = self.build(known, unknown, ratio=ratio, seed=2)
        assert len(dataset) == 12 + count
        drawn = identities(dataset.datasets[1])
        assert drawn == identities(self.build(known, unknown, ratio=ratio, seed=2).datasets[1])
        if count < 30:
            other = self.build(known, unknown, ratio=ratio, seed=3)
            assert drawn != identities(other.datasets[1])

    def test_ratio_counts_known_images_only(self, known, unknown):
        known = {k: v for k, v in known.items() if k != "class_split"}
        dataset = self.build(dict(known, unknown_classes=[0, 1, 2]), unknown, ratio=1)
        assert len(dataset.datasets[0]) == 30 and len(dataset.datasets[1]) == 7 * 3

    def test_all_known_and_noise(self, tmp_path):
        write_mnist(tmp_path)
        known = dict(type="MNIST", data_root=str(tmp_path), test_mode=True, download=False)
        noise = dict(type="mmosr.NoiseImages", seed=1)
        dataset = self.build(known, noise, ratio=1, pipeline=[dict(type="PackInputs")])
        labels = [int(dataset[i]["data_samples"].gt_label) for i in range(len(dataset))]
        assert len(labels) == 60 and labels[30:] == [-1] * 30 and set(labels[:30]) == {*range(10)}
        assert dataset[59]["inputs"].shape == dataset[0]["inputs"].shape == (1, 28, 28)
        assert len(dataset.metainfo["classes"]) == 10

    def test_own_pipeline_stays(self, known, unknown):
        own = [dict(type="mmosr.ReverseChannels"), dict(type="PackInputs")]
        pipeline = [dict(type="PackInputs")]
        dataset = self.build(known, dict(unknown, pipeline=own), pipeline=pipeline)
        assert [len(part.pipeline.transforms) for part in dataset.datasets] == [1, 2]

    def test_errors(self, known, unknown):
        with pytest.raises(InputError, match="give ratio, or num of the unknown, not both"):
            self.build(known, dict(unknown, num=3), ratio=1)
        with pytest.raises(InputError, match="36 of 30 images cannot be drawn"):
            self.build(known, unknown, ratio=3)
        with pytest.raises(InputError, match="unknown is OpenSetSmallCIFAR10, whose labels are"):
            self.build(known, known)


def test_class_names_are_those_of_the_folder(tmp_path):
    write_folders(tmp_path)
    assert unknown(tmp_path, unknown_classes=["cat"]).host_classes == CLASSES
