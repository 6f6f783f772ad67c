"""The rooms of the package: docs/design.md shows the layers that pyproject.toml demands."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = {path.stem for path in (ROOT / "mmosr").iterdir() if not path.name.startswith((".", "_"))}


def test_the_picture_shows_the_contract():
    contract = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.S)[1]
    layers = [set(line.split(" | ")) for line in re.findall(r'"(.*?)"', contract)]
    picture = (ROOT / "docs" / "design.md").read_text().split("```")[1]
    # Rooms are on the left, words about them on the right.
    lines = [ROOMS & set(line[:75].split()) for line in picture.splitlines()]
    assert [line for line in lines if line] == layers
    assert set.union(*layers) == ROOMS - {"version", "weights"}
