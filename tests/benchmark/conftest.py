"""A tiny model and its data sets, shared by the tests of benchmarks."""

import pytest

from .support import tiny_benchmark


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    with tiny_benchmark(tmp_path_factory.mktemp("benchmark")) as files:
        yield files
