"""Requests, before any data is read."""

from pathlib import Path

import pytest

from mmosr.preparation import RECIPES, Request, make_plan, write_plan
from mmosr.utils import InputError

from . import downloads
from .downloads import snapshot
from .support import prepare, refused, targets


def test_every_benchmark_has_a_recipe():
    names = {path.stem for path in Path("configs/_base_/benchmarks").glob("*.py")}
    assert {*RECIPES, "demo"} == names


class TestRequests:
    def test_unknown_name(self, raw, data):
        refused("cityscapes", Request(raw, data), "no data set 'cityscapes': choose from .*, demo")

    def test_demo(self, raw, data):
        refused("demo", Request(raw, data), f"run python .*make_demo_scenes.py {data}")

    @pytest.mark.parametrize(
        ("option", "value"), [("images", "x"), ("version", 3), ("unknown_ids", (16,))]
    )
    def test_options_without_meaning(self, raw, data, option, value):
        request = Request(raw, data, **{option: value})
        flag = option.replace("_", "-")
        refused("road_anomaly", request, f"road_anomaly has no option --{flag}: leave it out")

    @pytest.mark.parametrize(
        ("archive", "command"), [("x.zip", "unzip"), ("x.tar", "tar -xf"), ("x.tar.gz", "tar -xf")]
    )
    def test_archives(self, raw, data, archive, command):
        raw.mkdir()
        (raw / archive).write_bytes(b"")
        message = f"{archive} is an archive: unpack it first, {command} .*{archive}"
        refused("camvid", Request(raw / archive, data), message)

    def test_no_folder(self, raw, data):
        refused("camvid", Request(raw, data), f"folder {raw} does not exist")

    @pytest.mark.parametrize("place", [".", "inside", "..", "../../link_to_raw/inside"])
    def test_folders_within_each_other(self, tmp_path, place):
        raw = downloads.camvid(tmp_path / "above" / "raw")
        (tmp_path / "link_to_raw").symlink_to(raw)
        before = snapshot(tmp_path)
        with pytest.raises(InputError, match="overlap"):
            make_plan("camvid", Request(raw, raw / place))
        assert snapshot(tmp_path) == before

    def test_folder_within_the_images(self, raw, tmp_path):
        base = downloads.lost_and_found(tmp_path / "lost_and_found")
        downloads.fishyscapes_lost_and_found(raw)
        with pytest.raises(InputError, match="overlap"):
            make_plan("fishyscapes_lost_and_found", Request(raw, base / "fs", images=base))

    def test_neighbour_with_a_longer_name(self, raw, tmp_path):
        downloads.camvid(raw)
        assert make_plan("camvid", Request(raw, tmp_path / "raw_prepared")).outputs

    def test_relative_folders(self, raw, data, tmp_path, monkeypatch):
        downloads.road_anomaly(raw)
        monkeypatch.chdir(tmp_path)
        write_plan(make_plan("road_anomaly", Request(Path("raw"), Path("data"))), data)
        assert targets(data)["frames/camel.jpg"] == str(raw / "frames/camel.jpg")

    def test_copies(self, raw, data):
        downloads.road_anomaly(raw)
        content = prepare("road_anomaly", raw, data, copy=True)
        assert not targets(data) and len(content["outputs"]) == 5
