"""Demo scenes and options that make the shipped configs tiny."""

import importlib.util
import sys
from pathlib import Path

import pytest

from mmosr.datasets import write_demo_scenes
from mmosr.utils.cli import run_tool

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Folder with a few scenes of 64 x 64."""
    return write_demo_scenes(tmp_path_factory.mktemp("scenes"), 6, 2, 2, size=(64, 64))


@pytest.fixture(scope="session")
def data_options(scenes):
    return [f"{s}_dataloader.dataset.data_root={scenes}" for s in ("train", "val", "test")]


@pytest.fixture(scope="session")
def tiny_options(data_options):
    """Options that shrink ``lgmm_deeplabv3plus_demo.py`` to a few milliseconds a step."""
    return [
        *data_options,
        "train_dataloader.batch_size=2",
        "model.data_preprocessor.size=(64,64)",
        "model.backbone.base_channels=4",
        "model.backbone.stem_channels=4",
        "model.decode_head.in_channels=32",
        "model.decode_head.channels=8",
        "model.decode_head.c1_in_channels=4",
        "model.decode_head.c1_channels=4",
        "model.decode_head.classifier.embed_dims=8",
        "default_hooks.logger.interval=1",
    ]


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a tool in this process: ``call('train', *arguments) -> (status, standard error)``."""

    def run(name, *arguments):
        path = ROOT / "tools" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"tool_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        monkeypatch.chdir(ROOT)
        capsys.readouterr()
        status = run_tool(module.main)
        return status, capsys.readouterr().err

    return run
