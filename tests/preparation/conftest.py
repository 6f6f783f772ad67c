"""Folders of a download and of the data prepared from it."""

import pytest

from .toy import NAMES


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "download"
    (folder / "raw").mkdir(parents=True)
    for name in NAMES:
        (folder / "raw" / f"{name}.txt").write_text(f"content of {name}")
    return folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "prepared"
