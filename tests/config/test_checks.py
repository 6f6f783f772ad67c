"""Missing data, test data in training however it is wrapped, endless training."""

import re

import pytest
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.runner import EpochBasedTrainLoop

from mmosr.config.checks import (
    check_data,
    check_ends,
    check_folders,
    check_threshold_data,
    check_training_data,
)
from mmosr.datasets import SeededInfiniteSampler
from mmosr.utils import InputError

OPEN_SET = "mmosr.OpenSetClassificationDataset"


def data(role, **more):
    return dict(type=OPEN_SET, host="CIFAR10", data_root="data/cifar10", role=role, **more)


def repeat(dataset):
    return dict(type="RepeatDataset", times=2, dataset=dataset)


def concat(*datasets):
    return dict(type="ConcatDataset", datasets=list(datasets))


def fold(dataset):
    return dict(type="KFoldDataset", fold=0, num_splits=5, dataset=dataset)


def union(known):
    unknown = dict(type="mmosr.UnknownImages", host="CIFAR100", data_root="data/cifar100")
    return dict(type="mmosr.OpenSetTestData", known=known, unknown=unknown)


def check(dataset):
    test = dict(dataset=union(data("test")))
    check_training_data(
        Config(dict(train_dataloader=dict(dataset=dataset), val_dataloader=test, test=test))
    )


@pytest.mark.parametrize(
    ("dataset", "place"),
    [
        (data("test"), ""),
        (data("test", known_classes=["cat", "dog"], unknown_classes=[]), ""),
        (repeat(data("test")), ".dataset"),
        (concat(data("train"), data("test")), ".datasets.1"),
        (fold(data("test")), ".dataset"),
        (repeat(concat(data("train"), fold(data("test")))), ".dataset.datasets.1.dataset"),
    ],
)
def test_role_of_a_test(dataset, place):
    place = re.escape(f"train_dataloader.dataset{place}")
    with pytest.raises(InputError, match=f"^{place} has role='test', .* role='train'") as error:
        check(dataset)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("known", ["train", "test"])
@pytest.mark.parametrize(
    ("wrap", "place"),
    [(union, ""), (lambda known: fold(concat(union(known))), "dataset.datasets.0")],
)
def test_the_union_with_unknown_images(known, wrap, place):
    place = re.escape(".".join(filter(None, ["train_dataloader.dataset", place])))
    with pytest.raises(InputError, match=f"^{place} is mmosr.OpenSetTestData, which only a test"):
        check(wrap(data(known)))


@pytest.mark.parametrize("kind", ["mmosr.UnknownImages", "mmosr.NoiseImages", "NoiseImages"])
def test_unknown_images(kind):
    with pytest.raises(InputError, match=f"datasets.1 is {kind}, which only a test may use"):
        check(concat(data("train"), dict(type=kind)))


def test_training_data_pass():
    check(fold(concat(data("train"), repeat(data("train", val_fraction=0.1)))))
    check(data("val", val_fraction=0.1))
    check(dict(type="CustomDataset", data_root="data/x", pipeline=[dict(type="PackInputs")]))
    check_training_data({})


def test_threshold_data():
    check_threshold_data(Config(dict(val_dataloader=dict(dataset=data("val")))))
    check_threshold_data({})
    cfg = Config(dict(val_dataloader=dict(dataset=concat(data("val"), data("test")))))
    place = re.escape("val_dataloader.dataset.datasets.1")
    reason = "a threshold must not be chosen on the test: .* role='val'"
    with pytest.raises(InputError, match=f"^{place} has role='test', and {reason}"):
        check_threshold_data(cfg)
    cfg = Config(dict(val_dataloader=dict(dataset=union(data("val")))))
    with pytest.raises(InputError, match=r"^val_dataloader.dataset is mmosr.OpenSetTestData"):
        check_threshold_data(cfg)


class TestFolders:
    """The roles are right, but training reads what the test reads."""

    def folder(self, role, prefix, root="data/cifar", **more):
        return dict(type=OPEN_SET, data_root=root, role=role, data_prefix=prefix, **more)

    def check(self, train, test):
        check_folders(Config(dict(train_dataloader=dict(dataset=train), test_dataloader=test)))

    @pytest.mark.parametrize(
        "train",
        [
            dict(prefix="test"),
            dict(prefix="test/"),
            dict(prefix=dict(img_path="test"), host="mmpretrain.CustomDataset"),
            dict(prefix="../cifar/test", val_fraction=0.1),
            dict(prefix="", root="data/cifar/test"),
        ],
    )
    def test_the_folder_of_the_test(self, train, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for role in ("train", "val"):
            nested = concat(repeat(self.folder(role, **train)))
            test = dict(dataset=union(self.folder("test", "test")))
            message = (
                r"^train_dataloader.dataset.datasets.0.dataset reads the images of "
                rf"test_dataloader.dataset.known, {tmp_path}/data/cifar/test: .* data_prefix and"
            )
            with pytest.raises(InputError, match=message):
                self.check(nested, test)

    def test_a_link_to_it(self, tmp_path):
        (tmp_path / "test").mkdir()
        (tmp_path / "train").symlink_to(tmp_path / "test")
        train, test = (self.folder(part, part, str(tmp_path)) for part in ("train", "test"))
        with pytest.raises(InputError, match="reads the images of test_dataloader.dataset, "):
            self.check(train, dict(dataset=test))

    def test_others_pass(self):
        test = dict(dataset=self.folder("test", "test"))
        self.check(self.folder("train", "train"), test)
        self.check(self.folder("train", "test", root="data/other"), test)
        self.check(data("train"), dict(dataset=data("test")))  # CIFAR10 has files of each role
        listed = [self.folder(part, "all", ann_file=f"{part}.txt") for part in ("train", "test")]
        self.check(listed[0], dict(dataset=listed[1]))
        unknown = dict(type="mmosr.UnknownImages", data_root="data/cifar", data_prefix="train")
        self.check(self.folder("train", "train"), dict(dataset=dict(unknown, role="test")))
        check_folders({})


def loader(root, folder):
    inner = dict(type="D", data_root=str(root), data_prefix=dict(img_path=folder))
    return Config(dict(train_dataloader=dict(dataset=dict(type="Repeat", dataset=inner))))


def test_missing_data_is_named(tmp_path):
    (tmp_path / "images").mkdir()
    check_data(loader(tmp_path, "images"), ["train_dataloader", "val_dataloader"])
    with pytest.raises(InputError, match=f"train_dataloader.*{tmp_path}/none .*docs/data.md"):
        check_data(loader(tmp_path, "none"), ["train_dataloader"])


def test_images_without_a_folder_of_their_own():
    """The list may have their whole paths."""
    check_data(loader("", ""), ["train_dataloader"])


EPOCHS = [
    dict(by_epoch=True, max_epochs=2),
    dict(type="EpochBasedTrainLoop", max_epochs=2),
    dict(type=EpochBasedTrainLoop, max_epochs=2),
]
ITERATIONS = [dict(by_epoch=False, max_iters=2), dict(type="IterBasedTrainLoop", max_iters=2)]
INFINITE = ["InfiniteSampler", "mmosr.SeededInfiniteSampler", SeededInfiniteSampler]


def check_loop(sampler, loop, **more):
    loader = dict(batch_size=2, sampler=dict(type=sampler, shuffle=True))
    check_ends(Config(dict(train_dataloader=loader, train_cfg=loop, **more)))


@pytest.mark.parametrize("scope", [{}, dict(default_scope="mmpretrain")])
@pytest.mark.parametrize("loop", EPOCHS)
@pytest.mark.parametrize("sampler", INFINITE)
def test_epochs_without_an_end(sampler, loop, scope):
    name = "InfiniteSampler" if sampler == "InfiniteSampler" else "SeededInfiniteSampler"
    message = f"^train_dataloader.sampler {name} never ends, but train_cfg counts epochs: .*Default"
    with pytest.raises(InputError, match=message):
        check_loop(sampler, loop, **scope)


@pytest.mark.parametrize("loop", ITERATIONS)
@pytest.mark.parametrize("sampler", INFINITE)
def test_iterations_end(sampler, loop):
    check_loop(sampler, loop)


@pytest.mark.parametrize("loop", EPOCHS)
@pytest.mark.parametrize("sampler", ["DefaultSampler", DefaultSampler, "OfNobody"])
def test_epochs_that_end(sampler, loop):
    check_loop(sampler, loop)


def test_parts_that_are_missing():
    check_ends({})
    check_ends(Config(dict(train_dataloader=dict(batch_size=1), train_cfg=EPOCHS[0])))
    check_loop("InfiniteSampler", None)
