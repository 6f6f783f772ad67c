"""The package as pip installs it: unpacked from its wheel and used in an empty folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a user does there: a config that inherits one of the package, one by name only, and a
# benchmark by name.
USE = """
import mmosr
from mmengine import Config
from mmosr.benchmark.pixels.data import find_benchmarks
from mmosr.config.loading import load_config
from mmosr.preparation.check import check_data_set
from mmosr.utils import InputError

own = Config.fromfile("own.py")
named = load_config("lgmm_deeplabv3plus_camvid")
assert own.model == named.model and own.train_dataloader == named.train_dataloader
assert named.filename.startswith(INSTALLED) and mmosr.__file__.startswith(INSTALLED)
(benchmark,) = find_benchmarks(["demo"], own)
print(benchmark.protocol.identifier)
try:
    check_data_set("no_such_name", ".")
except InputError as error:
    assert "choose from bdd_anomaly, camvid, demo" in str(error), error
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    # setup.py's own command: no network, no installation, and nothing written to the checkout.
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys, setuptools; sys.argv[0] = 'setup.py'; exec(open('setup.py').read())"
    options = ["egg_info", "-e", str(folder), "build", "-b", str(folder / "b")]
    options += ["bdist_wheel", "-d", str(folder / "dist")]
    code = f"__file__ = {str(ROOT / 'setup.py')!r}; {code}"
    subprocess.run([sys.executable, "-c", code, "-q", *options], cwd=ROOT, check=True)
    (path,) = (folder / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder where the wheel is unpacked."""
    folder = tmp_path_factory.mktemp("installed")
    wheel.extractall(folder)
    return folder


@pytest.fixture
def python(installed, tmp_path, monkeypatch):
    """Run Python with the installed package in an empty folder; the process when it has ended."""
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


def test_a_build_into_the_checkout_keeps_the_package(tmp_path):
    for name in ("setup.py", "requirements"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "mmosr").mkdir()
    for name in ("__init__.py", "version.py"):
        shutil.copy(ROOT / "mmosr" / name, tmp_path / "mmosr" / name)
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", "."]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "mmosr/version.py").is_file()


def files_of(*names):
    """Files of the checkout by their paths, without what Python compiles."""
    found = (path for name in names for path in sorted((ROOT / name).rglob("*")))
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for path in found
        if path.is_file() and path.suffix != ".pyc"
    }


def test_all_files_are_in_the_wheel(wheel):
    there = set(wheel.namelist())
    packed = [name for name in there if name.startswith("mmosr/.mim/")]
    outside = files_of("configs", "tools")
    assert len(outside) > 200
    assert {name.removeprefix("mmosr/.mim/") for name in packed} - {"model-index.yml"} == set(
        outside
    )
    for name, content in outside.items():
        assert wheel.read(f"mmosr/.mim/{name}") == content, name
    inside = files_of("mmosr/weights", "mmosr/benchmark", "mmosr/datasets")
    assert any(name.endswith(".safetensors") for name in inside)
    assert any(name.endswith("protocols.json") for name in inside)
    for name, content in inside.items():
        assert wheel.read(name) == content, name


def test_the_wheel_says_what_it_is(wheel):
    (info,) = {name.split("/")[0] for name in wheel.namelist()} - {"mmosr"}
    assert "mmosr = mmosr.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata or "License: Apache-2.0" in metadata
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def test_configs_and_definitions_are_found(python, installed):
    Path("own.py").write_text('_base_ = "mmosr::lgmm_deeplabv3plus_camvid.py"\n')
    done = python("-c", f"INSTALLED = {str(installed)!r}\n{USE}")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "demo", done.stderr


def test_the_command_runs_the_tools_that_come_with_it(python):
    done = python("-m", "mmosr", "benchmark", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: mmosr benchmark [-h]") and "--datasets" in done.stdout
    scenes = ["demo-scenes", "scenes", "--train", "1", "--val", "0", "--test", "0"]
    done = python("-m", "mmosr", *scenes, "--size", "32", "32")
    assert done.returncode == 0 and len(list(Path("scenes").rglob("*.png"))) == 2, done.stderr
