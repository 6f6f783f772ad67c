"""``--help`` and wrong arguments are answered at once: nothing heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
HEAVY = {"torch", "torchvision", "mmengine", "mmcv", "mmseg", "mmpretrain"}
HEAVY |= {"matplotlib", "scipy", "sklearn", "numpy", "cv2"}
# They work on arrays in every line, and start within the same limits.
ON_ARRAYS = {"benchmark_components.py": {"numpy", "cv2"}, "benchmark_curves.py": {"numpy"}}
FILES = [path for path in sorted(TOOLS.rglob("*.py")) if "__main__" in path.read_text()]
RUN = """
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    print("exit", end.code)
print(*sys.modules)
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_help_imports_nothing_heavy(path):
    command = [sys.executable, "-c", RUN, path, "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    *text, status, modules = done.stdout.splitlines()
    assert text[0].startswith(f"usage: {path.name} ") and status == "exit 0", done.stderr
    assert HEAVY & set(modules.split()) <= ON_ARRAYS.get(path.name, set())


def test_prepare_names_every_data_set(tmp_path):
    from mmosr.preparation import RECIPES
    from tests.in_process import load_tool

    assert load_tool("dataset_converters/prepare").NAMES == tuple(RECIPES)
