"""Options of the quick start; what it does is shown by running it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def quickstart(*options):
    command = ["bash", "tools/quickstart.sh", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_help():
    result = quickstart("--help")
    assert result.returncode == 0 and not result.stderr
    assert "--seed N" in result.stdout and "--from-scratch" in result.stdout
    assert not result.stdout.startswith("#")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seed", "x"), "error: --seed takes a number, not 'x'"),
        (("--seed",), "error: --seed takes a number, not ''"),
        (("--seed", "-1"), "error: --seed takes a number, not '-1'"),
        (("--sed", "1"), "error: unknown option --sed"),
    ],
)
def test_wrong_options_start_nothing(options, message):
    result = quickstart(*options)
    assert result.returncode == 2 and not result.stdout
    assert result.stderr.splitlines()[0] == message
