"""tools/dataset_converters/prepare.py and check.py, as a user runs them."""

import os
import re
import time

from tests.preparation import downloads
from tests.preparation.downloads import manifest, read, write_label
from tests.processes import Script


def start(tool, *arguments):
    return Script(f"dataset_converters/{tool}", *arguments)


def run(tool, *arguments):
    """Exit status, standard output, and the last line of the standard error."""
    process = start(tool, *arguments)
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, out, (err.splitlines() or [""])[-1]


def cells(out):
    """The rows of all tables."""
    rows = [re.split("[│┃]", line)[1:-1] for line in out.splitlines()]
    return [tuple(cell.strip() for cell in row) for row in rows if row]


def test_prepare_check_damage_and_mend(tmp_path):
    raw, data = downloads.camvid(tmp_path / "raw", ".jpg"), tmp_path / "data"
    write_label(raw / "CamVid/testannot/0001TP_002690.png", [11, 9, 10, 0])

    status, out, _ = run("prepare", "camvid", raw, data, "--copy")
    assert status == 0 and f"{data}: 6 files made, 0 already in order, 0 removed" in out
    assert out.splitlines()[-1] == (
        "ready: configs/_base_/benchmarks/camvid.py (1 of 233 images: its figures cannot be "
        "compared)"
    )
    table = cells(out)
    assert ("value", "meaning", "pixels", "share") in table
    assert ("9", "unknown: pedestrian", "1", "4.17 %") in table  # of 24 pixels
    assert ("255", "ignored", "21", "87.5 %") in table
    assert ("unknown", "2 pixels, 66.7 % of the known and unknown pixels") in table
    assert ("without unknown", "none") in table and ("sizes", "4 x 6 (1)") in table
    assert manifest(data)["name"] == "camvid"

    label = data / "labels/test/0001TP_002690.png"
    right = read(label)
    write_label(label, [9])
    status, out, _ = run("check", "camvid", data, "--checksums")
    assert status == 1 and ("checksums", "5 of 6 files are unchanged") in cells(out)
    assert out.splitlines()[-1].startswith(
        "not ready: 1 of 6 files do not have the checksum in manifest.json: "
        "labels/test/0001TP_002690.png: run python tools/dataset_converters/prepare.py camvid SRC "
    )

    status, out, _ = run("prepare", "camvid", raw, data, "--copy")
    assert status == 0 and "1 files made, 5 already in order, 0 removed" in out
    assert (read(label) == right).all()


def test_missing_sources(tmp_path):
    raw, data = tmp_path / "raw", tmp_path / "data"
    downloads.fishyscapes_static(raw, tmp_path / "cityscapes")
    next(raw.glob("0001_*.npz")).unlink()
    status, _, error = run(
        "prepare", "fishyscapes_static", raw, data, "--images", tmp_path / "cityscapes",
        "--version", 3,
    )  # fmt: skip
    assert status == 1 and error.startswith("error: FishyscapesStaticDataset: ")
    assert "0001_frankfurt_000001_000294_labels.png needs one overlay " in error
    assert "0001_frankfurt_000001_000294_rgb.npz" in error and not data.exists()


def test_killed_run_goes_on(tmp_path):
    raw, data = tmp_path / "raw", tmp_path / "data"
    for index in range(500):
        name = f"validation{index:04d}"
        downloads.write_picture(raw / "images" / f"{name}.webp", index)
        write_label(raw / "labels_masks" / f"{name}_labels_semantic.png", [0, 1])
    process = start("prepare", "road_obstacle_21", raw, data)
    journal = data / "manifest.partial.jsonl"
    while not (journal.is_file() and journal.read_text().count("\n") > 100):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert not (data / "manifest.json").exists()
    links = [path for path in data.rglob("*") if path.is_symlink() and path.name[0] != "."]
    done = {path: path.lstat().st_ino for path in links}
    status, out, _ = run("prepare", "road_obstacle_21", raw, data)
    assert status == 0
    made, kept = map(int, re.search(r"(\d+) files made, (\d+) already in order", out).groups())
    assert made + kept == 1000 and kept >= 100 and abs(kept - len(done)) <= 1
    assert sum(path.lstat().st_ino == inode for path, inode in done.items()) >= kept
    assert len(manifest(data)["outputs"]) == 1000
    assert all(os.path.exists(path) for path in data.rglob("*"))
