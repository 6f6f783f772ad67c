"""Fixtures shared by all tests."""

import gc
import logging
import sys
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope

from .hosts import keep_imported, spare_time
from .two_ranks import TwoRanks

# Some tools have modules next to them.
TOOLS = Path(__file__).parents[1] / "tools"
sys.path += [str(TOOLS / folder) for folder in ("analysis_tools", "model_converters")]
# Contracts contain assertions but are not test files; without this their failures show no values.
pytest.register_assert_rewrite(
    "tests.classification.contract",
    "tests.configs.shown_images",
    "tests.segmentation.contract",
    "tests.datasets.contract",
    "tests.preparation.downloads",
    "tests.datasets.anomaly_contract",
    "tests.datasets.classification_contract",
    "tests.evaluation.histogram_cases",
    "tests.methods.contract",
    "tests.methods.loss_contract",
    "tests.scores.contract",
    "tests.scores.fitted_contract",
    "tests.tools.representation.case",
)


def pytest_collection_finish():
    """What the tests need is imported by now."""
    keep_imported()


def pytest_unconfigure():
    """Otherwise triton reports leaks when the process ends."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def quick_hosts():
    """mmengine waits for nothing that changes no result."""
    with pytest.MonkeyPatch.context() as patch:
        spare_time(patch)
        yield


@pytest.fixture(autouse=True)
def quiet_logging(monkeypatch):
    """mmengine keeps its loggers, but pytest has closed their stream when the next test logs."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.fixture
def mmseg_scope():
    """Names in configs are looked up in mmseg, as the configs' ``default_scope`` says."""
    init_default_scope("mmseg")


@pytest.fixture
def mmpretrain_scope():
    """Names in configs are looked up in mmpretrain, as the configs' ``default_scope`` says."""
    init_default_scope("mmpretrain")


@pytest.fixture(scope="session")
def demo_scenes(tmp_path_factory):
    """Folder of a small set of embedded scenes: 3 train, 2 val, 2 test, 32 x 64."""
    from mmosr.datasets import write_demo_scenes

    root = tmp_path_factory.mktemp("data") / "demo_scenes"
    return write_demo_scenes(root, train=3, val=2, test=2, size=(32, 64))


@pytest.fixture(scope="session")
def on_two_ranks():
    """Call ``function(rank, *arguments)`` on both ranks; returns the two results in rank order."""
    ranks = TwoRanks()
    yield ranks
    ranks.stop()
