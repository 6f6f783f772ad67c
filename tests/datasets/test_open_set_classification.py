"""Known and unknown classes of mmpretrain's data sets, proven picture by picture."""

import json
import pickle

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from mmpretrain.datasets import CIFAR10, MNIST, CustomDataset
from mmpretrain.datasets import BaseDataset as PretrainDataset
from torch.utils.data import DataLoader

from mmosr.datasets import (
    SVHN,
    KnownUnknownClasses,
    load_split,
    open_set_classification_dataset,
)
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
    write_svhn,
)

TYPE = "mmosr.OpenSetClassificationDataset"
KNOWN, UNKNOWN_IDS = [7, 2, 5], [0, 9]  # 1, 3, 4, 6 and 8 are neither
LABELS = {2: 0, 5: 1, 7: 2, 0: -1, 9: -1}


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmpretrain")


def shown(dataset):
    """``{(class, number, part): label}`` of what the data set shows."""
    found = {}
    for index in range(len(dataset)):
        item = dataset.get_data_info(index)
        key = identity(item.get("img", item.get("img_path")))
        assert key not in found and key[0] == item["class_id"]
        found[key] = item["gt_label"]
    return found


def everything(part, labels):
    """What a data set of these labels by class has to show."""
    part_id = ("train", "test").index(part)
    return {(c, n, part_id): label for c, label in labels.items() for n in range(COUNTS[part])}


class HostContract:
    """What every host must do; a subclass writes the files and names the arguments."""

    host: object = None
    base = CustomDataset
    names = CLASSES

    def write(self, root):
        raise AssertionError("a host writes its files")

    def arguments(self, root, role):
        """Arguments of the host itself."""
        return dict(data_root=str(root))

    @pytest.fixture
    def root(self, tmp_path):
        self.write(tmp_path)
        return tmp_path

    def build(self, root, role, **kwargs):
        cfg = dict(type=TYPE, host=self.host, role=role, **self.arguments(root, role))
        return DATASETS.build({**cfg, **kwargs})

    def chosen(self, root, role, **kwargs):
        """With the classes above."""
        kwargs = dict(known_classes=KNOWN, unknown_classes=UNKNOWN_IDS, **kwargs)
        return self.build(root, role, **kwargs)

    def test_training_shows_known_classes_only(self, root):
        dataset = self.chosen(root, "train")
        assert shown(dataset) == everything("train", {2: 0, 5: 1, 7: 2})
        assert not dataset.test_mode

    def test_test_shows_unknown_classes_too(self, root):
        dataset = self.chosen(root, "test")
        assert shown(dataset) == everything("test", LABELS)
        assert dataset.test_mode

    def test_validation_share(self, root):
        parts = {
            role: shown(self.chosen(root, role, val_fraction=1 / 3)) for role in ("train", "val")
        }
        assert not set(parts["train"]) & set(parts["val"])
        assert {**parts["train"], **parts["val"]} == everything("train", {2: 0, 5: 1, 7: 2})
        labels = list(parts["val"].values())
        assert [labels.count(label) for label in range(3)] == [2, 2, 2]
        again = shown(self.chosen(root, "val", val_fraction=1 / 3))
        other = shown(self.chosen(root, "val", val_fraction=1 / 3, val_seed=1))
        assert again == parts["val"] != other
        test = shown(self.chosen(root, "test", val_fraction=1 / 3))
        assert test == everything("test", LABELS)

    def test_names_and_host(self, root):
        dataset = self.chosen(root, "test")
        assert dataset.metainfo["classes"] == tuple(self.names[i] for i in (2, 5, 7))
        assert dataset.metainfo["unknown_classes"] == tuple(self.names[i] for i in (0, 9))
        assert isinstance(dataset, self.base) and isinstance(dataset, KnownUnknownClasses)
        by_name = dict(
            known_classes=[self.names[i] for i in KNOWN],
            unknown_classes=[self.names[i] for i in UNKNOWN_IDS],
        )
        assert shown(self.build(root, "test", **by_name)) == shown(dataset)

    def test_published_split(self, root):
        split = load_split("protocol_a/cifar10", 3)
        if self.names != CLASSES:
            split = load_split("protocol_a/mnist", 3)
        kwargs = dict(class_split=split.identifier, trial=3)
        labels = {class_id: label for label, class_id in enumerate(split.known)}
        assert shown(self.build(root, "train", **kwargs)) == everything("train", labels)
        labels.update(dict.fromkeys(split.unknown, -1))
        assert shown(self.build(root, "test", **kwargs)) == everything("test", labels)

    def test_pickled_and_subset(self, root):
        dataset = self.chosen(root, "test", serialize_data=False)
        copy = pickle.loads(pickle.dumps(dataset))
        assert type(copy) is type(dataset) and shown(copy) == shown(dataset)
        assert copy.metainfo == dataset.metainfo
        assert len(self.chosen(root, "test", indices=2)) == 2
        key, label = list(shown(dataset).items())[4]
        assert shown(dataset.get_subset([4])) == {key: label}

    def test_lazy_start(self, root):
        lazy = self.chosen(root, "test", lazy_init=True)
        assert not lazy._fully_initialized
        assert len(lazy) == 5 * COUNTS["test"]  # loads now
        assert lazy.metainfo["classes"] == tuple(self.names[i] for i in (2, 5, 7))

    def test_missing_data(self, root):
        cfg = dict(self.arguments(root / "nowhere", "train"), data_root=str(root / "nowhere"))
        if "download" in cfg:
            cfg["download"] = False
        with pytest.raises(InputError, match=r"nowhere.*docs/image_data\.md"):
            DATASETS.build(dict(type=TYPE, host=self.host, role="train", **cfg))


class TestCIFAR10(HostContract):
    host, base = SmallCIFAR10, CIFAR10

    def write(self, root):
        write_cifar10(root)

    def arguments(self, root, role):
        return dict(data_root=str(root), download=False)

    @pytest.mark.parametrize("role", ["train", "val"])
    def test_test_files_never_reach_training(self, root, role):
        with pytest.raises(InputError, match="split='test' are test images: role='(train|val)'"):
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
            multiprocessing_context="spawn",
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
        with pytest.raises(InputError, match="split='val' are test images"):
            self.chosen(root, "train", split="val")


class TestListed(HostContract):
    host = "CustomDataset"

    def write(self, root):
        write_listed(root)

    def arguments(self, root, role):
        ann_file = "test.txt" if role == "test" else "train.txt"
        return dict(data_root=str(root), ann_file=ann_file, metainfo=dict(classes=CLASSES))

    def test_no_class_names(self, root):
        with pytest.raises(InputError, match=r"names no classes: set metainfo=dict\(classes"):
            self.build(root, "train", metainfo=None)

    def test_label_out_of_range(self, root):
        with pytest.raises(InputError, match=r"png has label \d, and there are 4 classes"):
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
        with pytest.raises(InputError, match="role 'all' is none of train, val, test"):
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
            (dict(known_classes=["dgo"]), "known_classes names 'dgo', which is no class.*airplane"),
            (dict(unknown_classes=[10]), r"unknown_classes names 10.* \(ids 0 to 9\)"),
            (dict(unknown_classes=[-1]), "unknown_classes names -1"),
            (dict(known_classes=[2.0]), "known_classes names 2.0, which is no class"),
            (dict(known_classes=["dog", 5]), "known_classes names dog twice"),
            (dict(unknown_classes=list(range(10))), "no class is known"),
            (dict(class_split="protocol_a/cifar11"), "did you mean protocol_a/cifar10"),
            (dict(class_split="protocol_a/cifar10", trial=5), "no trial 5: choose one of 0, 1"),
            (dict(class_split="protocol_a/tinyimagenet"), "has 10 classes.*TinyImageNet with 200"),
            (dict(host="CustomDatset"), "no dataset 'CustomDatset'; did you mean CustomDataset"),
            (dict(host="CityscapesDataset"), "there is no dataset 'CityscapesDataset'"),
            (dict(host="ConcatDataset"), "ConcatDataset is no mmpretrain dataset for image"),
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
        with pytest.raises(InputError, match="role='train' has no image of dog"):
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


def test_split_over_two_data_sets(tmp_path):
    """Unknown classes of the split lie in another data set: here are only known images."""
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
