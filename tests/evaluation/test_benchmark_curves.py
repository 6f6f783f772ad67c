"""The benchmark of the streaming curves, on few pixels."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import run_script

TOOL = Path(__file__).parents[2] / "tools" / "analysis_tools" / "benchmark_curves.py"


def run(*arguments):
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_small_run():
    name = "N(1000,2)/N(1003,2)"
    sizes = ("--pixels", "20000", "--streamed-pixels", "40000")
    done = run(*sizes, "--distributions", name, "--unknown-share", "0.1")
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in done.stdout.splitlines() if "│" in line]
    theirs, ours, difference = rows
    assert (theirs[:2], ours[:2]) == ([name, "scikit-learn"], ["", "mmosr"])
    assert difference[1] == "|difference|"
    # Phi(1.5 / sqrt(2)) = 0.8556; 2000 unknown samples move it by about 0.005.
    assert float(theirs[2]) == pytest.approx(0.8556, abs=0.02)
    assert theirs[2:5] == ours[2:5]  # so few samples stay exact
    assert all(float(value) < 1e-12 for value in difference[2:5])
    assert theirs[9] == ours[9] == "32"
    assert all(float(megabytes) < 64 for megabytes in (theirs[7], ours[7], ours[8]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--unknown-share", "1"), "must lie between 0 and 1, got 1"),
        (("--distributions", "uniform"), "invalid choice: 'uniform'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    done = run_script("analysis_tools/benchmark_curves", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
