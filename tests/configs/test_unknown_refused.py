"""Attempts to use unknown images in training, each rejected in one line before it starts."""

import re
import runpy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample

import mmosr.benchmark.images.run as protocol_run
from mmosr.benchmark.images import run_protocol
from mmosr.benchmark.images.config import method_config, trial_config
from mmosr.benchmark.images.data import describe_data
from mmosr.benchmark.images.protocols import load_image_protocol
from mmosr.config.loading import load_config
from mmosr.datasets import load_split
from mmosr.utils import InputError

from .support import ROOT

pytestmark = pytest.mark.usefixtures("there")
FILES = ROOT / "_base_/protocols"
METHOD = ROOT / "softmax_vgg13_cifar10-6-4_short.py"
TRAIN, VAL = "train_dataloader.dataset", "val_dataloader.dataset"
SHOWS = r"the {} data show {} unknown images, which only the test may show"
ATTEMPTS = {
    "test images in training": (
        "cifar10_6-4",
        {f"{TRAIN}.role": "test"},
        SHOWS.format("train", 12),
    ),
    "test images of known classes in training": (
        "ood_cifar10_isun",
        {f"{TRAIN}.role": "test"},
        "train_dataloader.dataset has role='test', and training must not see the test",
    ),
    "test images of known classes in validation": (
        "ood_cifar10_isun",
        {f"{VAL}.role": "test"},
        "val_dataloader.dataset has role='test', and a threshold must not be chosen on the test",
    ),
    "test images in validation": ("mnist_6-4", {f"{VAL}.role": "test"}, SHOWS.format("val", 8)),
    "a class more": (
        "svhn_6-4",
        {f"{TRAIN}.known_classes": [0, 1, 2, 3, 4, 5, 9]},
        "class_split names the classes: leave out known_classes",
    ),
    "a class split of another protocol": (
        "cifar10_6-4",
        {f"{TRAIN}.class_split": "animals_vehicles/cifar10"},
        "train_dataloader has class_split='animals_vehicles/cifar10', and protocol cifar10_6-4",
    ),
    "the classes of another release": (
        "cifar10_6-4",
        {f"{TRAIN}.class_split": "cac_release/cifar10"},
        "train_dataloader has class_split='cac_release/cifar10'",
    ),
    "no class split": (
        "tinyimagenet_20-180",
        {f"{TRAIN}.class_split": None},
        "train_dataloader has class_split='None'",
    ),
    "no class split in validation": (
        "animals_vehicles",
        {f"{VAL}.class_split": None},
        "val_dataloader has class_split='None'",
    ),
    "a class split where all are known": (
        "ood_cifar10_isun",
        {f"{TRAIN}.class_split": "protocol_a/cifar10"},
        "takes all classes",
    ),
    "other known classes than in the test": (
        "ood_cifar10_isun",
        {f"{TRAIN}.unknown_classes": ["cat"]},
        "the val data have the classes .*'cat'.*, but training",
    ),
    "training that calls itself a test": (
        "cifar+10",
        {f"{TRAIN}.test_mode": True},
        "test_mode=True contradicts role='train'",
    ),
    "the test files of the host": (
        "svhn_6-4",
        {f"{TRAIN}.split": "test"},
        "split='test' contains test images: role='train' never uses them",
    ),
    "classes that are told to be known": (
        "cifar+50",
        {
            "test_dataloader.dataset.unknown.type": "mmosr.OpenSetClassificationDataset",
            "test_dataloader.dataset.unknown.role": "test",
        },
        "has 100 classes, but the class split is for CIFAR10 with 10",
    ),
}


def train_with(data, monkeypatch, tmp_path):
    """Call ``tools/train.py`` with a method's config and the training data of a file."""
    path = tmp_path / "method.py"
    cfg = Config.fromfile(METHOD)
    cfg.train_dataloader = Config.fromfile(data).train_dataloader
    cfg.dump(path)

    def train(*_):
        raise AssertionError("training began")

    monkeypatch.setattr(Runner, "from_cfg", train)
    monkeypatch.setattr("sys.argv", ["train", str(path), "--work-dir", str(tmp_path / "work")])
    runpy.run_path(str(ROOT.parent / "tools/train.py"))["main"]()


class TestAttempts:
    """Each of these would use unknown images in training, and is rejected in one line."""

    def refused(self, monkeypatch, tmp_path, name, message, data=None, options=None):
        def launch(*_):
            raise AssertionError("training began")

        monkeypatch.setattr(protocol_run, "launch", launch)
        data = data or FILES / f"{name}.py"
        with pytest.raises(InputError, match=message) as error:
            run_protocol(name, [METHOD], tmp_path / "out", [0], data=data, cfg_options=options)
        assert "\n" not in str(error.value) and not (tmp_path / "out").exists()

    @pytest.mark.parametrize("attempt", ATTEMPTS)
    def test_by_an_option(self, attempt, monkeypatch, tmp_path):
        name, options, message = ATTEMPTS[attempt]
        self.refused(monkeypatch, tmp_path, name, message, options=options)

    @pytest.mark.parametrize(
        ("dataset", "message"),
        [
            ("_base_.test_dataloader.dataset", SHOWS.format("train", 20)),
            (
                'dict(type="ConcatDataset", ignore_keys=["classes", "unknown_classes"], '
                "datasets=[_base_.train_dataloader.dataset, unknown])",
                SHOWS.format("train", 20),
            ),
            ("unknown", SHOWS.format("train", 20)),
            (
                'dict(type="CIFAR100", data_root="data/cifar100", pipeline=_base_.test_pipeline)',
                "train_dataloader has no class_split",
            ),
            ('dict(unknown, role="train")', "unknown images are for tests, never for training"),
            ('dict(type="mmosr.NoiseImages", num=3, test_mode=False)', "has no class_split"),
        ],
    )
    def test_by_a_file(self, dataset, message, monkeypatch, tmp_path):
        """Whole other training data."""
        text = f"""
_base_ = "{FILES}/cifar+10.py"
unknown = dict(_base_.unknown_images, class_split="protocol_a/cifar+10")
{{}} = dict(dataset=dict(_delete_=True, **{dataset}))
"""
        path = tmp_path / "data.py"
        path.write_text(text.format("train_dataloader"))
        self.refused(monkeypatch, tmp_path, "cifar+10", message, data=path)

    @pytest.mark.parametrize(
        ("dataset", "place"),
        [
            ('dict(type="RepeatDataset", times=2, dataset=test)', "dataset.dataset"),
            ('dict(type="ConcatDataset", datasets=[train, test])', "dataset.datasets.1"),
            (
                'dict(type="KFoldDataset", fold=1, num_splits=2, dataset=test)',
                "dataset.dataset",
            ),
        ],
    )
    def test_wrapped_test_images_of_known_classes(self, dataset, place, monkeypatch, tmp_path):
        """No image is unknown, in training or in a fold of it; the protocol and train.py agree."""
        path = tmp_path / "data.py"
        path.write_text(f"""
_base_ = "{FILES}/ood_cifar10_isun.py"
train = _base_.train_dataloader.dataset
test = dict(train, **_base_.cifar10_images.test, role="test")
train_dataloader = dict(dataset=dict(_delete_=True, **{dataset}))
""")
        message = re.escape(f"train_dataloader.{place} has role='test'")
        self.refused(monkeypatch, tmp_path, "ood_cifar10_isun", message, data=path)
        with pytest.raises(InputError, match=message):
            train_with(path, monkeypatch, tmp_path)

    @pytest.mark.parametrize("name", ["ood_cifar10_isun", "cifar10_6-4", "cifar+10"])
    def test_the_test_as_training_data(self, name, monkeypatch, tmp_path):
        """``tools/train.py`` knows no protocols, but rejects it all the same."""
        path = tmp_path / "data.py"
        path.write_text(f"""
_base_ = "{FILES}/{name}.py"
train_dataloader = dict(dataset=dict(_delete_=True, **_base_.test_dataloader.dataset))
""")
        union = name != "cifar10_6-4"
        message = "is mmosr.OpenSetTestData, which only a test" if union else "has role='test'"
        with pytest.raises(InputError, match=f"^train_dataloader.dataset {message}") as error:
            train_with(path, monkeypatch, tmp_path)
        assert "\n" not in str(error.value)

    def test_the_folder_of_the_test(self, monkeypatch, tmp_path):
        """With the role of training: by its images in a protocol, by its name in train.py."""
        path = tmp_path / "data.py"
        path.write_text(f"""
_base_ = "{FILES}/cifar10_6-4.py"
train_dataloader = dict(dataset=dict(data_prefix="test"))
""")
        message = "the train and test data share 6 images, such as .*/data/cifar10_jpeg/test/"
        self.refused(monkeypatch, tmp_path, "cifar10_6-4", message, data=path)
        message = "^train_dataloader.dataset reads the images of test_dataloader.dataset, /.*/test:"
        with pytest.raises(InputError, match=message):
            train_with(path, monkeypatch, tmp_path)

    def test_other_data_are_trained_on(self, monkeypatch, tmp_path):
        with pytest.raises(AssertionError, match="training began"):
            train_with(FILES / "cifar+10.py", monkeypatch, tmp_path)

    @pytest.mark.parametrize("trial", [1, 4])
    def test_a_trial_of_its_own(self, trial, tmp_path):
        """A trial that the user sets is overwritten: its known classes are unknown in another."""
        protocol = load_image_protocol("svhn_6-4")
        data = FILES / "svhn_6-4.py"
        cfg = method_config(METHOD, protocol, data, cfg_options={f"{TRAIN}.trial": 2})
        cfg = trial_config(cfg, protocol, trial)
        known = load_split(protocol.class_split, trial).known
        assert DATASETS.build(cfg.train_dataloader.dataset).known_ids == known
        assert describe_data(cfg, protocol)["train"]["known"] == 2 * len(known)

    @pytest.mark.parametrize("method", ["softmax", "cac", "movr", "lgmm"])
    def test_a_label_in_the_batch(self, method):
        """The last guard, whatever the data are, also with mmpretrain's own head."""
        cfg = load_config(ROOT / f"{method}_vgg13_cifar10-6-4_short.py")
        model = MODELS.build(cfg.model)
        samples = [DataSample().set_gt_label(label) for label in (0, -1, 5, 2)]
        data = model.data_preprocessor(
            dict(inputs=torch.zeros(4, 3, 32, 32), data_samples=samples), training=True
        )
        with pytest.raises(InputError, match="unknown images must not be among the training data"):
            model(**data, mode="loss")
