"""The protocols of open-set recognition as data."""

import json
from pathlib import Path

import pytest

from mmosr.benchmark.images import protocols
from mmosr.benchmark.images.protocols import PROTOCOLS, load_image_protocol
from mmosr.datasets import load_split, num_trials
from mmosr.utils import InputError

NAMES = PROTOCOLS.names
PAPERS = ("CAC, table", "m-OvR, table", "L-GMM, table", "M2IOSR, table")


def published(name, method, source):
    rows = load_image_protocol(name).published
    (row,) = [r for r in rows if (r.method, r.source) == (method, source)]
    return row


def test_every_row_of_the_list_of_protocols():
    assert len(NAMES) == len(set(NAMES)) == 26
    assert {load_image_protocol(name).version for name in NAMES} == {1}


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol(name):
    protocol = load_image_protocol(name)
    assert protocol.rules.keys() == {"all", *protocol.figures}
    assert any("/" not in figure for figure in protocol.figures)
    if protocol.class_split is not None:
        assert protocol.trials == num_trials(protocol.class_split)
        for trial in range(protocol.trials):
            assert len(load_split(protocol.class_split, trial).known) == protocol.num_known
    for row in protocol.published:
        assert row.source.startswith(PAPERS)
        assert row.figures and row.figures.keys() <= set(protocol.figures)
        for mean, std in row.figures.values():
            assert 5 < mean <= 100 and (std is None or 0 <= std < 6)  # percent


@pytest.mark.parametrize(
    ("name", "method", "source", "figures"),
    [
        ("cifar10_6-4", "CAC", "CAC, table 1", {"AUROC": (80.1, 3.0)}),
        ("tinyimagenet_20-180", "CROSR", "CAC, table 1", {"AUROC": (58.9, None)}),
        ("cifar+10", "L-GMM", "L-GMM, table 4", {"AUROC": (83.3, None)}),
        ("svhn_6-4", "M2IOSR", "M2IOSR, table 4", {"macro-F1": (78.8, 1.2)}),
        ("cifar10_lsun-crop", "M2IOSR", "M2IOSR, table 5", {"macro-F1": (81.8, None)}),
        ("mnist_noise", "CGDL", "M2IOSR, table 6", {"macro-F1": (85.9, None)}),
        (
            "ccr_cifar10_svhn",
            "CAC",
            "CAC, table 3",
            {"CCR1": (68.3, None), "CCR5": (78.5, None), "CCR10": (82.6, None)},
        ),
        (
            "ood_cifar100_tinyimagenet-resize",
            "L-GMM",
            "L-GMM, tables 1, 3, 10",
            {
                "accuracy/top1": (80.15, 0.1),
                "AUROC": (87.17, None),
                "TNR95": (37.04, None),  # 100 - 62.96
                "AUPR-In": (89.30, None),
                "AUPR-Out": (84.38, None),
                "detection-error-min": (20.74, None),
            },
        ),
    ],
)
def test_published_figures(name, method, source, figures):
    assert published(name, method, source).figures == figures


def test_published_figures_of_several_networks():
    rows = [r for r in load_image_protocol("svhn_6-4").published if r.method == "m-OvR, combined"]
    figures = {row.network: {k: mean for k, (mean, _) in row.figures.items()} for row in rows}
    assert figures == {
        "VGG": {"accuracy/top1": 97.4, "AUROC": 95.7},
        "WRN-16-4": {"accuracy/top1": 98.0, "AUROC": 97.0},
    }
    assert {row.note for row in rows} == {"weak augmentation"}


def test_unknown_name():
    with pytest.raises(InputError, match="no protocol 'cifar10-6-4': did you mean cifar10_6-4"):
        load_image_protocol("cifar10-6-4")
    with pytest.raises(InputError, match="choose from mnist_6-4, "):
        load_image_protocol("xyz")


def test_file_has_nothing_else():
    path = Path(protocols.__file__).with_suffix(".json")
    content = json.loads(path.read_text())
    assert content.keys() == {"rules", "protocols"}
    used = {figure for name in NAMES for figure in load_image_protocol(name).figures}
    assert content["rules"].keys() == {"all", *used}
