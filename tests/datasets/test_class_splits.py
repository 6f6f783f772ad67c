"""The published class splits, value by value."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from mmpretrain.datasets import CIFAR10, CIFAR100

import mmosr
from mmosr.datasets import load_split, num_trials, split_names
from mmosr.datasets.class_splits import check_classes
from mmosr.utils import InputError

SIZES = {  # known, unknown, classes of the two data sets, trials
    "animals_vehicles/cifar10": (6, 4, 10, 10, 1),
    "cac_ccr/cifar100": (10, 45, 10, 100, 1),
    "cac_release/cifar10": (6, 4, 10, 10, 5),
    "protocol_a/cifar+10": (4, 10, 10, 100, 5),
    "protocol_a/cifar+50": (4, 50, 10, 100, 5),
    "protocol_a/cifar10": (6, 4, 10, 10, 5),
    "protocol_a/mnist": (6, 4, 10, 10, 5),
    "protocol_a/svhn": (6, 4, 10, 10, 5),
    "protocol_a/tinyimagenet": (20, 180, 200, 200, 5),
}
SIX_OF_TEN = [
    (0, 1, 2, 4, 5, 9),
    (0, 3, 5, 7, 8, 9),
    (0, 1, 5, 6, 7, 8),
    (3, 4, 5, 7, 8, 9),
    (0, 1, 2, 3, 7, 8),
]
RELEASE = [
    ((2, 3, 4, 6, 8, 9), (0.4858, 0.4771, 0.4326), (0.2422, 0.2374, 0.2547)),
    ((1, 3, 4, 5, 6, 7), (0.485, 0.4598, 0.4032), (0.2452, 0.2397, 0.2474)),
    ((0, 1, 4, 5, 6, 8), (0.4882, 0.4847, 0.4552), (0.2454, 0.2408, 0.2622)),
    ((1, 2, 4, 7, 8, 9), (0.4872, 0.4836, 0.4498), (0.2465, 0.2432, 0.2595)),
    ((0, 1, 2, 3, 6, 9), (0.4917, 0.481, 0.4498), (0.2512, 0.2487, 0.2685)),
]
# Superclasses of CIFAR-100 that are neither animals nor people, by their fine classes.
NO_ANIMALS = """orchid poppy rose sunflower tulip bottle bowl can cup plate apple mushroom orange
pear sweet_pepper clock keyboard lamp telephone television bed chair couch table wardrobe bridge
castle house road skyscraper cloud forest mountain plain sea maple_tree oak_tree palm_tree
pine_tree willow_tree bicycle bus motorcycle pickup_truck train lawn_mower rocket streetcar tank
tractor""".split()


def every_trial():
    return [load_split(name, trial) for name in split_names() for trial in range(num_trials(name))]


def test_all_splits_are_there():
    assert set(split_names()) == set(SIZES)


@pytest.mark.parametrize("identifier", SIZES)
def test_sizes(identifier):
    known, unknown, of_known, of_unknown, trials = SIZES[identifier]
    assert num_trials(identifier) == trials
    for trial in range(trials):
        split = load_split(identifier, trial)
        assert (split.identifier, split.trial) == (identifier, trial) and split.version == 1
        assert split.title and split.source
        for ids, count, total in (
            (split.known, known, of_known),
            (split.unknown, unknown, of_unknown),
        ):
            assert len(ids) == count == len(set(ids)) and list(ids) == sorted(ids)
            assert 0 <= min(ids) and max(ids) < total
        check_classes(split.known_data, classes_of(split.known_data), "x")


def classes_of(data):
    hosts = {"CIFAR10": CIFAR10, "CIFAR100": CIFAR100}
    if data in hosts:
        return hosts[data].METAINFO["classes"]
    return [str(i) for i in range(200 if data == "TinyImageNet" else 10)]


def test_known_and_unknown_are_apart_and_complete():
    for split in every_trial():
        if split.known_data == split.unknown_data:
            total = 200 if split.known_data == "TinyImageNet" else 10
            assert sorted(split.known + split.unknown) == list(range(total))


@pytest.mark.parametrize("data", ["cifar10", "mnist", "svhn"])
def test_protocol_a(data):
    known = [load_split(f"protocol_a/{data}", trial).known for trial in range(5)]
    assert known == SIX_OF_TEN


def test_cifar_plus():
    for trial in range(5):
        for name in ("cifar+10", "cifar+50"):
            split = load_split(f"protocol_a/{name}", trial)
            assert split.known_names == ("airplane", "automobile", "ship", "truck")
            assert (split.known_data, split.unknown_data) == ("CIFAR10", "CIFAR100")
            assert not set(split.unknown_names) & set(NO_ANIMALS)
    first = load_split("protocol_a/cifar+10", 0)
    assert first.unknown == (26, 31, 34, 44, 45, 63, 65, 77, 93, 98)
    assert first.unknown_names[:3] == ("crab", "elephant", "fox")
    assert len({load_split("protocol_a/cifar+50", trial).unknown for trial in range(5)}) == 1


def test_tiny_imagenet():
    split = load_split("protocol_a/tinyimagenet", 0)
    assert split.known[:4] == (10, 28, 54, 72) and split.known_names is None
    assert load_split("protocol_a/tinyimagenet", 2).known[-3:] == (140, 159, 167)
    assert len({load_split("protocol_a/tinyimagenet", trial).known for trial in range(5)}) == 5


def test_cac_release():
    for trial, (known, mean, std) in enumerate(RELEASE):
        split = load_split("cac_release/cifar10", trial)
        assert (split.known, split.mean, split.std) == (known, mean, std)
    assert load_split("protocol_a/cifar10", 0).mean is None


def test_animals_and_vehicles():
    split = load_split("animals_vehicles/cifar10")
    assert split.known_names == ("bird", "cat", "deer", "dog", "frog", "horse")
    assert split.unknown_names == ("airplane", "automobile", "ship", "truck")


def test_nine_superclasses():
    split = load_split("cac_ccr/cifar100")
    assert split.known == tuple(range(10))
    names = set(split.unknown_names)
    assert {"bridge", "plain", "camel", "skunk", "worm", "woman", "turtle", "shrew"} <= names
    # Superclasses that the supplement names as known unknowns, one class each, and vehicles.
    others = "dolphin ray tulip bowl pear lamp couch beetle wolf bus tank".split()
    assert not names & set(others)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_split("protocol_a/mnist").trial = 1


@pytest.mark.parametrize(
    "identifier, trial, message",
    [
        ("protocol_a/cifar_10", 0, "no class split 'protocol_a/cifar_10'; did you mean protocol_a"),
        ("zzz", 0, "no class split 'zzz'; choose animals_vehicles/cifar10, "),
        ("protocol_a/mnist", 5, "mnist has no trial 5: choose one of 0, 1, 2, 3, 4$"),
        ("protocol_a/mnist", -1, "mnist has no trial -1"),
        ("animals_vehicles/cifar10", 1, "no trial 1: choose one of 0$"),
        ("protocol_a/mnist", "1", "mnist has no trial '1'"),
        ("protocol_a/mnist", True, "mnist has no trial True"),
    ],
)
def test_errors(identifier, trial, message):
    with pytest.raises(InputError, match=message):
        load_split(identifier, trial)


def test_classes_of_another_data_set():
    names = list(CIFAR10.METAINFO["classes"])
    with pytest.raises(InputError, match="mine has 9 classes, but the class split is for CIFAR10"):
        check_classes("CIFAR10", names[:9], "mine")
    names[1], names[2] = "bird", "car"
    with pytest.raises(InputError, match="mine: class 1 is 'bird', but .* is 'automobile'"):
        check_classes("CIFAR10", names, "mine")
    check_classes("MNIST", names, "mine")  # digits have no names


def test_files_are_packaged(tmp_path):
    """``python setup.py build_py`` includes the data files."""
    root = Path(mmosr.__file__).parent.parent
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    built = {path.name for path in (tmp_path / "mmosr/datasets/class_splits").iterdir()}
    assert built == {path.name for path in (root / "mmosr/datasets/class_splits").iterdir()}
