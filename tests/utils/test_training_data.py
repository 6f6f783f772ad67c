"""Test data among training data, however they are wrapped."""

import re

import pytest
from mmengine.config import Config

from mmosr.utils import InputError
from mmosr.utils.training_data import check_threshold_data, check_training_data

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
    with pytest.raises(InputError, match=f"datasets.1 is {kind}, which only a test may show"):
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
