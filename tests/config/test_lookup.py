"""Names of the types in configs."""

import pytest

from mmosr.config.lookup import bare_name
from mmosr.datasets import SeedDraw


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PackInputs", "PackInputs"),
        ("mmosr.UnknownImages", "UnknownImages"),
        (SeedDraw, "SeedDraw"),
        (None, ""),
    ],
)
def test_bare_name(kind, name):
    assert bare_name(kind) == name
