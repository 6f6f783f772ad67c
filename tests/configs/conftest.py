"""Tools run in this process, and small sets of scenes and of images."""

import json

import pytest

from mmosr.datasets import write_demo_scenes
from tests.in_process import run_in_process

from .protocol_files import go_home, write_all


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Folder with a few scenes of 64 x 64."""
    return write_demo_scenes(tmp_path_factory.mktemp("scenes"), 2, 1, 2, size=(64, 64))


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A folder with ``data/`` where the shipped files can be used unchanged."""
    root = tmp_path_factory.mktemp("home")
    write_all(root)
    return root


@pytest.fixture
def there(home, monkeypatch):
    """The work folder is :func:`home`."""
    go_home(home, monkeypatch)


@pytest.fixture
def call(capsys):
    """Run a tool in this process: ``call('train', *arguments)``; it must succeed."""

    def run(name, *arguments):
        capsys.readouterr()
        status = run_in_process(name, *arguments)
        assert status in (0, None), capsys.readouterr().err

    return run


@pytest.fixture
def metrics():
    """Function from a work folder to the figures of its last test."""

    def read(work_dir):
        last = max(work_dir.glob("*/*.json"))
        return json.loads(last.read_text().splitlines()[-1])

    return read
