"""Demo scenes and options that make the shipped configs tiny."""

import pytest

from mmosr.datasets import write_demo_scenes
from tests.in_process import run_in_process


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Folder with a few scenes of 64 x 64."""
    return write_demo_scenes(tmp_path_factory.mktemp("scenes"), 6, 2, 2, size=(64, 64))


@pytest.fixture(scope="session")
def data_options(scenes):
    return [f"{s}_dataloader.dataset.data_root={scenes}" for s in ("train", "val", "test")]


@pytest.fixture(scope="session")
def tiny_options(data_options):
    """Options that shrink ``lgmm_deeplabv3plus_demo.py`` to a few milliseconds per step."""
    return [
        *data_options,
        "train_dataloader.batch_size=2",
        "model.data_preprocessor.size=(64,64)",
        "model.backbone.base_channels=4",
        "model.backbone.stem_channels=4",
        "model.decode_head.in_channels=8",
        "model.decode_head.channels=8",
        "model.decode_head.c1_in_channels=4",
        "model.decode_head.c1_channels=4",
        "model.decode_head.classifier.embed_dims=8",
        "default_hooks.logger.interval=1",
        "load_from=None",
    ]


@pytest.fixture
def call(capsys):
    """Run a tool in this process: ``call('train', *arguments) -> (status, standard error)``."""

    def run(name, *arguments):
        capsys.readouterr()
        status = run_in_process(name, *arguments)
        return status, capsys.readouterr().err

    return run
