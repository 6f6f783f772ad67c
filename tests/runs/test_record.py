"""Records of runs: what is compared, and the messages."""

import json

import cv2
import mmcv
import mmengine
import mmpretrain
import mmseg
import numpy as np
import pytest
import torch

from mmosr.runs.record import check_record, differences, read_json, versions, write_json
from mmosr.utils import InputError
from mmosr.version import __version__

RUN = {
    "config": "a.py",
    "config_sha256": "c0",
    "scores": ["msp"],
    "batch_size": 2,
    "datasets": {"road": {"version": 1, "config_sha256": "d0", "images_sha256": "i0"}},
    "trained": None,
    "versions": {"torch": "2.1", "numpy": "2.0"},
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"config": "b.py", "more": 1}, []),  # the file may lie elsewhere
        ({"config_sha256": "c1"}, ["config"]),
        ({"scores": ["msp", "energy"], "batch_size": 3}, ["scores", "batch size"]),
        ({"trained": {"folder": "x"}}, ["--trained"]),
        ({"datasets": {}}, ["list of data sets"]),
        (
            {"datasets": {"road": {"version": 2, "config_sha256": "d0", "images_sha256": "i1"}}},
            ["data set 'road' (version, list of images)"],
        ),
        ({"versions": {"torch": "2.1", "numpy": "1.9"}}, ["numpy (1.9 instead of 2.0)"]),
    ],
)
def test_differences(change, expected):
    assert differences({**RUN, **change}, RUN) == expected
    assert differences({**RUN, **change}, RUN, ignored=RUN) == []


def test_missing_in_an_older_record():
    old = {key: value for key, value in RUN.items() if key not in ("trained", "versions")}
    assert differences(old, RUN) == ["torch (None instead of 2.1)", "numpy (None instead of 2.0)"]


def test_more_in_the_record_of_a_data_set():
    """As at the top: what only the record has does not count."""
    road = {**RUN["datasets"]["road"], "more": 1}
    assert differences({**RUN, "datasets": {"road": road}}, RUN) == []


@pytest.mark.parametrize(
    "damage", [{"datasets": ["road"]}, {"datasets": {"road": 1}}, {"versions": "2.1"}]
)
def test_damaged_record(tmp_path, damage):
    path = tmp_path / "run.json"
    write_json(path, {**RUN, **damage})
    with pytest.raises(InputError, match="run.json' is not the record of a run: remove it"):
        check_record(path, RUN, resume=True)


def test_start_and_resume(tmp_path):
    path = tmp_path / "run.json"
    assert not check_record(path, RUN, resume=True)
    write_json(path, RUN)
    assert read_json(path) == RUN
    assert check_record(path, RUN, resume=True)
    with pytest.raises(InputError, match=f"^'{tmp_path}' already holds a run: add --resume"):
        check_record(path, RUN, resume=False)
    with pytest.raises(
        InputError, match=f"^cannot resume: '{path}' is from a run that differs in batch"
    ):
        check_record(path, {**RUN, "batch_size": 1}, resume=True)
    assert check_record(path, {**RUN, "batch_size": 1}, resume=True, ignored=["batch_size"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"other": 1}'])
def test_another_file(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(InputError, match="run.json' is not the record of a run: remove it"):
        check_record(path, RUN, resume=True)


def test_numbers_that_json_does_not_know(tmp_path):
    path = tmp_path / "run.json"
    with pytest.raises(ValueError):
        write_json(path, {"AP": float("nan")})
    assert not path.exists()
    write_json(path, {"AP": float("nan")}, allow_nan=True)
    assert np.isnan(read_json(path)["AP"])


@pytest.mark.parametrize("host", [mmseg, mmpretrain])
def test_versions(host):
    modules = [torch, host, mmcv, mmengine, np, cv2]
    names = ["torch", host.__name__, "mmcv", "mmengine", "numpy", "opencv"]
    expected = {"mmosr": __version__}
    expected |= {n: m.__version__ for n, m in zip(names, modules, strict=True)}
    assert list(versions(host.__name__).items()) == list(expected.items())
    assert json.loads(json.dumps(versions(host.__name__))) == expected
