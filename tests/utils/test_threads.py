"""How many threads torch uses next to other processes, and how they wait."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmosr.config.machine import fit_to_machine
from mmosr.utils import threads
from mmosr.utils.threads import free_threads, measure_processors, wait_briefly

ROOT = Path(__file__).parents[2]
# They import torch, or another library with OpenMP.
HEAVY = {"torch", "torchvision", "mmengine", "mmcv", "mmseg", "mmpretrain", "sklearn"}


@pytest.mark.parametrize(
    ("own", "processors", "allowed", "busy", "expected"),
    [
        (2, 2, 2, 0.0, 2),
        (2, 2, 2, 0.4, 2),
        (2, 2, 2, 0.6, 1),
        (2, 2, 2, 2.0, 1),
        (16, 16, 16, 1.0, 15),
        (8, 16, 16, 6.2, 8),  # torch uses one thread per core
        (64, 64, 3, 10.0, 3),  # a container
        (64, 64, 3, 62.7, 1),
        (1, 8, 8, 0.0, 1),
    ],
)
def test_threads_that_find_a_free_processor(own, processors, allowed, busy, expected):
    assert free_threads(own, processors, allowed, busy) == expected


@pytest.fixture
def fit(monkeypatch):
    """Fit a config to a machine: threads of torch afterwards, and what was logged."""
    before = torch.get_num_threads()

    def run(busy=1.0, environ=(), gpu=False, own=4, allowed=4, measure_load=True, **config):
        lines = []
        measured = {0: 0.0, threads.MEASURED_SECONDS: busy}
        monkeypatch.setattr(threads, "measure_processors", lambda s: (4, allowed, measured[s]))
        monkeypatch.setattr("mmengine.logging.print_log", lambda text, **_: lines.append(text))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        for name in threads.CHOSEN:
            monkeypatch.delenv(name, raising=False)
        for name in environ:
            monkeypatch.setenv(name, "4")
        torch.set_num_threads(own)
        fit_to_machine(Config(config), measure_load)
        return torch.get_num_threads(), lines

    yield run
    torch.set_num_threads(before)


def test_busy_processors_are_left_to_others(fit):
    assert fit(busy=1.0) == (
        3,
        [
            "torch computes with 3 of 4 threads: other processes keep 1.0 of 4 processors busy, "
            "and this one may use 4. OMP_NUM_THREADS=N sets the number, on which the last "
            "digits of all results depend."
        ],
    )


def test_the_load_need_not_count(fit):
    assert fit(busy=3.0, measure_load=False) == (4, [])
    assert fit(busy=3.0, measure_load=False, allowed=2)[0] == 2


def test_threads_stay_as_they_are(fit):
    assert fit(busy=0.1) == (4, [])
    assert fit(environ=["OMP_NUM_THREADS"]) == (4, [])
    assert fit(environ=["MKL_NUM_THREADS"]) == (4, [])
    assert fit(own=1) == (1, [])
    assert fit(gpu=True) == (4, [])
    assert fit(launcher="slurm") == (4, [])


def test_a_busy_process_is_seen():
    """On one processor with a known load."""
    code = "import os; os.sched_setaffinity(0, [{0}]); print(flush=True)\nwhile True: pass"
    first = min(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-c", code.format(first)], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        processors, allowed, busy = measure_processors(threads.MEASURED_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert 1 <= allowed <= processors and 0.7 < busy <= processors
    assert measure_processors(0) == (processors, allowed, 0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": threads.SPINS}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
    ],
)
def test_how_threads_wait(given, expected):
    wait_briefly(given)
    assert given == expected


def test_the_package_says_it_before_torch_is_there():
    code = "import os, sys, mmosr; print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])"
    unset = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["False", threads.SPINS], done.stderr


TOOLS = [path for path in sorted((ROOT / "tools").rglob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.name)
def test_tools_import_the_package_first(path):
    """The environment is read when torch is loaded, which their functions do afterwards."""
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module)
    found = [name.partition(".")[0] for name in found]
    heavy = [place for place, name in enumerate(found) if name in HEAVY]
    assert "mmosr" in found and all(found.index("mmosr") < place for place in heavy)
