"""The command ``mmosr``: which tools it has, and how it names and starts them."""

import sys
from pathlib import Path

import pytest

from mmosr.__main__ import TOOLS, main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def call(monkeypatch, capsys):
    """``call("train", "x") -> (status, standard output, standard error)``."""

    def run(*arguments):
        # The command leaves these as the tool has them.
        monkeypatch.setattr(sys, "argv", ["mmosr", *arguments])
        monkeypatch.setattr(sys, "path", ["", *sys.path])
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        try:
            status = main()
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_every_command_with_a_summary(call, arguments):
    status, out, _ = call(*arguments)
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ")]
    assert status == 0 and [name for name, summary in lines if summary] == list(TOOLS)
    assert max(map(len, out.splitlines())) <= 80


def test_every_tool_has_a_command():
    tools = [path for path in (ROOT / "tools").rglob("*.py") if "__main__" in path.read_text()]
    names = {str(path.relative_to(ROOT / "tools").with_suffix("")) for path in tools}
    # Measurements of the project itself need a checkout anyway.
    assert {name for name in names if "/benchmark_" not in name} == set(TOOLS.values())


def test_version(call):
    status, out, _ = call("--version")
    assert status == 0 and out.split()[0] == "mmosr"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("trian", "did you mean 'train'?"), ("xyz", "mmosr --help lists the commands")],
)
def test_a_wrong_command_is_one_line(call, name, hint):
    status, _, err = call(name)
    assert status == 2 and err == f"error: mmosr has no command '{name}': {hint}\n"


def test_a_command_is_its_tool_with_a_module_beside_it(call, tmp_path):
    status, _, err = call("convert-cac", "--trial")
    assert status == 2 and err.startswith("usage: mmosr convert-cac [-h]")
    # Before what was there: processes that are started find the package as this one does.
    assert sys.path[:2] == [str(ROOT / "tools/model_converters"), ""]
    assert Path(sys.modules["__main__"].__file__) == ROOT / "tools/model_converters/cac2mmosr.py"
    status, _, err = call("convert-cac", str(tmp_path / "none.pth"), "x.pth")
    assert (status, err) == (1, f"error: checkpoint {tmp_path / 'none.pth'} does not exist\n")
