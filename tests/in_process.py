"""The tools in the process of the tests, without the seconds that a new one needs to start."""

import importlib.util
import sys
from pathlib import Path

import pytest

from mmosr.utils.cli import run_tool

ROOT = Path(__file__).parents[1]


def load_tool(name):
    """The module ``tools/NAME.py``."""
    path = ROOT / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tool_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_in_process(name, *arguments):
    """The exit status of a tool with these arguments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        patch.chdir(ROOT)
        return run_tool(load_tool(name).main)
