"""Where configs and tools are, in a checkout and in an installed package."""

from pathlib import Path

import pytest

from mmosr.utils import resources
from mmosr.utils.resources import find_config, resource

ROOT = Path(__file__).parents[2]
CONFIG = "lgmm_deeplabv3plus_camvid"


@pytest.mark.parametrize(
    "name",
    [CONFIG, f"{CONFIG}.py", f"mmosr::{CONFIG}", f"mmosr::{CONFIG}.py", f"configs/{CONFIG}.py"],
)
def test_configs_of_the_package_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == ROOT / "configs" / f"{CONFIG}.py"


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(f"{CONFIG}.py").touch()
    assert find_config(f"{CONFIG}.py") == Path(f"{CONFIG}.py")


@pytest.mark.parametrize("name", ["none.py", "mmosr::none", "", ".", f"x/{CONFIG}.py"])
def test_other_names_stay_as_they_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == Path(name)
    assert find_config(ROOT / "configs" / CONFIG) == ROOT / "configs" / CONFIG  # no .py


def test_copies_are_taken_and_links_are_not(tmp_path, monkeypatch):
    package = tmp_path / "mmosr"
    (package / ".mim").mkdir(parents=True)
    (tmp_path / "configs").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    monkeypatch.setattr(resources, "_COPIES", package / ".mim")
    link = package / ".mim" / "configs"
    link.symlink_to(Path("..", "..", "configs"))
    assert resource("configs", "x.py") == tmp_path / "configs" / "x.py"
    link.unlink()
    link.mkdir()
    assert resource("configs", "x.py") == link / "x.py"
