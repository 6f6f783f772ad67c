"""Tests of the embedded demo scenes."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmosr.datasets.demo import scenes
from mmosr.datasets.demo.drawing import Camera, sub_quad
from mmosr.datasets.demo.new_unknowns import NEW_KINDS
from mmosr.datasets.demo.scenes import (
    DEMO_CLASS_IDS,
    MIN_UNKNOWN_SHARE,
    draw_scene,
    scene_paths,
    write_demo_scenes,
)
from mmosr.datasets.demo.unknowns import TEST_KINDS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

ROOT = Path(__file__).parents[3]
TOOL = ROOT / "tools" / "dataset_converters" / "make_demo_scenes.py"
KNOWN = {*DEMO_CLASS_IDS, IGNORE_LABEL}
SIZE = (48, 96)
COUNTS = {"train": 2, "val": 1, "test": 2}


def write(root, **changes):
    return write_demo_scenes(root, **{**COUNTS, "size": SIZE, **changes})


def snapshot(root):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return write(tmp_path_factory.mktemp("demo") / "set")


def test_scene_is_a_pure_function_of_its_arguments():
    first = draw_scene(7, unknown=True)
    draw_scene(8)
    np.random.seed(1)
    again = draw_scene(7, unknown=True)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.mean(first[0] != draw_scene(8, unknown=True)[0]) > 0.5


def test_known_scenes_hold_every_class_and_no_other_label():
    labels = [draw_scene(seed)[1] for seed in range(24)]
    for label in labels:
        assert set(np.unique(label)) <= KNOWN
        assert np.mean(label == IGNORE_LABEL) < 0.25
    for class_id in DEMO_CLASS_IDS:
        assert sum((label == class_id).any() for label in labels) >= 20


@pytest.mark.parametrize("size", [(128, 256), (64, 64), (97, 211)])
def test_unknown_scenes_hold_enough_unknown_pixels(size):
    for seed in range(12):
        image, label = draw_scene(seed, size, unknown=True)
        assert image.shape == (*size, 3) and label.shape == size
        assert image.dtype == label.dtype == np.uint8
        assert set(np.unique(label)) <= {*KNOWN, UNKNOWN_LABEL}
        assert MIN_UNKNOWN_SHARE <= np.mean(label == UNKNOWN_LABEL) < 0.35


def test_unknown_objects_are_set_into_the_same_street():
    for seed in range(6):
        plain_image, plain = draw_scene(seed)
        image, label = draw_scene(seed, unknown=True)
        changed = label != plain
        # Labels change only at the object and its ignored ring.
        assert set(np.unique(label[changed])) <= {UNKNOWN_LABEL, IGNORE_LABEL}
        near = cv2.dilate((label == UNKNOWN_LABEL).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        assert near[changed].mean() > 0.98
        assert np.mean(image[label == UNKNOWN_LABEL] != plain_image[label == UNKNOWN_LABEL]) > 0.8


def test_objects_are_separated_from_the_rest_by_ignored_pixels():
    for seed in range(6):
        label = draw_scene(seed, unknown=True)[1].astype(int)
        for axis in (0, 1):
            left = label if axis else label.T
            pairs = {
                tuple(pair) for pair in np.stack([left[:, :-1], left[:, 1:]], -1).reshape(-1, 2)
            }
            touching = {a for pair in pairs if UNKNOWN_LABEL in pair for a in pair}
            assert touching <= {UNKNOWN_LABEL, IGNORE_LABEL}


def test_same_street_at_other_sizes():
    for seed in range(4):
        small = draw_scene(seed, (64, 128), unknown=True)[1]
        large = draw_scene(seed, (128, 256), unknown=True)[1][1::2, 1::2]
        both = (small != IGNORE_LABEL) & (large != IGNORE_LABEL)
        assert np.mean(small[both] == large[both]) > 0.97


def test_known_and_unknown_colours_overlap():
    """The mean colours of the unknown objects lie inside the range of the known pixels."""
    known, unknown = [], []
    for seed in range(20):
        image, label = draw_scene(seed, unknown=True)
        known.append(image[np.isin(label, DEMO_CLASS_IDS)].mean(axis=1))
        unknown.append(image[label == UNKNOWN_LABEL].mean(axis=1))
    known, unknown = np.concatenate(known), np.concatenate(unknown)
    low, high = np.quantile(known, [0.02, 0.98])
    assert np.mean((unknown > low) & (unknown < high)) > 0.9


def test_camera_projects_by_hand_computed_values():
    camera = Camera(focal=100, centre=50, horizon=40, height=2, bend=0.01)
    # X/Z = 0.2 and bend * Z = 0.1 -> 50 + 30; (2 - 0.5) / 10 * 100 = 15 below the horizon.
    np.testing.assert_allclose(camera.project(2, 0.5, 10), [80, 55])
    assert camera.depth_of_row(60) == pytest.approx(10)
    assert camera.side_at(80, 10) == pytest.approx(2)


def test_sub_quad_by_hand_computed_values():
    square = np.array([[0, 0], [4, 0], [4, 8], [0, 8]], float)
    parts = sub_quad(square, np.array([0, 0.5]), np.array([0.25, 1]), 0.0, 0.5)
    expected = [[[0, 0], [1, 0], [1, 4], [0, 4]], [[2, 0], [4, 0], [4, 4], [2, 4]]]
    np.testing.assert_allclose(parts, expected)


@pytest.mark.parametrize("size", [(16, 64), (64, 16), (64,)])
def test_too_small_size_is_refused(size):
    with pytest.raises(InputError, match="Size"):
        draw_scene(0, size)


def test_negative_seed_is_refused(tmp_path):
    with pytest.raises(InputError, match="negative"):
        draw_scene(-1)
    with pytest.raises(InputError, match="seed"):
        write(tmp_path / "set", seed=-1)
    assert not (tmp_path / "set").exists()


def test_layout_and_content(finished):
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    expected = {"demo_scenes.json"}
    for split, count in COUNTS.items():
        for i in range(count):
            expected.add(f"leftImg8bit/{split}/demo/demo_{i:06d}_leftImg8bit.png")
            expected.add(f"gtFine/{split}/demo/demo_{i:06d}_gtFine_labelTrainIds.png")
    assert names == expected
    for split, count in COUNTS.items():
        for i in range(count):
            image_path, label_path = scene_paths(finished, split, i)
            assert cv2.imread(str(image_path), cv2.IMREAD_UNCHANGED).shape == (*SIZE, 3)
            label = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
            assert label.shape == SIZE
            assert (UNKNOWN_LABEL in label) == (split == "test")
    image = cv2.imread(str(scene_paths(finished, "train", 1)[0]))
    np.testing.assert_array_equal(image, draw_scene(1, SIZE)[0])


def test_scenes_differ_between_splits_and_sets(finished, tmp_path):
    other = write(tmp_path / "set", seed=1)
    pictures = [
        p.read_bytes() for root in (finished, other) for p in root.rglob("*_leftImg8bit.png")
    ]
    assert len(pictures) == 10 == len(set(pictures))


def test_repeat_leaves_a_finished_set_alone(finished):
    before = snapshot(finished)
    assert write(finished, progress=lambda scenes: pytest.fail("drew again")) == finished
    assert snapshot(finished) == before


def test_other_parameters_replace_the_set(tmp_path):
    root = write(tmp_path / "set", train=3)
    own = root / "notes.txt"
    own.write_text("mine")
    write(root, train=1, seed=5)
    assert len(list(root.rglob("*_leftImg8bit.png"))) == 4
    assert own.read_text() == "mine"
    assert json.loads((root / "demo_scenes.json").read_text())["seed"] == 5
    fresh = write(tmp_path / "fresh", train=1, seed=5)
    for split in COUNTS:
        for a, b in zip(scene_paths(root, split, 0), scene_paths(fresh, split, 0), strict=True):
            assert a.read_bytes() == b.read_bytes()


class Killed(Exception):
    pass


def test_interrupted_set_is_completed(tmp_path, finished):
    def stop_after_two(scenes):
        yield from scenes[:2]
        raise Killed

    root = tmp_path / "set"
    with pytest.raises(Killed):
        write(root, progress=stop_after_two)
    assert not json.loads((root / "demo_scenes.json").read_text())["finished"]
    first = scene_paths(root, "train", 0)[0]
    written = first.stat().st_mtime_ns
    drawn = []
    write(root, progress=lambda scenes: drawn.extend(scenes) or scenes)
    assert drawn == [("val", 0), ("test", 0), ("test", 1)]
    assert first.stat().st_mtime_ns == written
    for path, (_, content) in snapshot(finished).items():
        assert (root / path.relative_to(finished)).read_bytes() == content


def test_lost_file_is_drawn_again(tmp_path, finished):
    root = write(tmp_path / "set")
    lost = scene_paths(root, "val", 0)[1]
    lost.unlink()
    write(root)
    assert lost.read_bytes() == scene_paths(finished, "val", 0)[1].read_bytes()


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(InputError, match="other data"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["leftImg8bit"]
    for content in ("not json", '{"generator": "someone"}', "[]"):
        folder = tmp_path / "marked"
        folder.mkdir(exist_ok=True)
        (folder / "demo_scenes.json").write_text(content)
        with pytest.raises(InputError, match="not written by mmosr"):
            write(folder)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="is a file"):
        write(file)


def test_marker_left_by_a_kill_is_no_foreign_data(tmp_path):
    (tmp_path / ".demo_scenes.0123abcd.json").write_text("{")
    assert len(list(write(tmp_path).rglob("*_leftImg8bit.png"))) == 5


def test_cityscapes_dataset_reads_the_set(finished):
    from mmseg.datasets import CityscapesDataset

    for split, count in COUNTS.items():
        dataset = CityscapesDataset(
            data_root=str(finished),
            data_prefix=dict(img_path=f"leftImg8bit/{split}", seg_map_path=f"gtFine/{split}"),
            pipeline=[dict(type="LoadImageFromFile"), dict(type="mmseg.LoadAnnotations")],
        )
        assert len(dataset) == count
        for i in range(count):
            sample = dataset[i]
            name = Path(sample["img_path"]).name.removesuffix("_leftImg8bit.png")
            assert Path(sample["seg_map_path"]).name == f"{name}_gtFine_labelTrainIds.png"
            index = int(name.removeprefix("demo_"))
            seed = list(COUNTS).index(split) * 1_000_000 + index
            image, label = draw_scene(seed, SIZE, unknown=split == "test")
            np.testing.assert_array_equal(sample["img"], image)
            np.testing.assert_array_equal(sample["gt_seg_map"], label)


def test_tool_writes_a_set_and_reports_errors(tmp_path, monkeypatch, capsys):
    def run(*args):
        monkeypatch.setattr(sys, "argv", [str(TOOL), *args])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(TOOL), run_name="__main__")
        return end.value.code, capsys.readouterr()

    root = tmp_path / "set"
    counts = ["--train", "1", "--val", "0", "--test", "1", "--size", "32", "64"]
    code, output = run(str(root), *counts, "--seed", "2")
    assert code == 0 and "train 1, val 0, test 1" in output.out
    label = cv2.imread(str(scene_paths(root, "test", 0)[1]), cv2.IMREAD_UNCHANGED)
    kinds = [*TEST_KINDS, *NEW_KINDS]
    np.testing.assert_array_equal(label, draw_scene(8_000_000, (32, 64), unknown=kinds)[1])
    assert not scene_paths(root, "val", 0)[1].exists()
    code, output = run(str(root), *counts, "--val-unknown", "1")
    assert code == 0 and "val 0, test 1, val_unknown 1)" in output.out
    assert scene_paths(root, "val_unknown", 0)[1].exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    code, output = run(str(tmp_path / "full"))
    assert code == 2
    assert output.err.strip().splitlines() == [
        f"Error: {tmp_path / 'full'} holds other data; give a new or empty folder."
    ]
    monkeypatch.setattr(scenes, "_check_size", interrupt)
    code, output = run(str(root))
    assert code == 130 and output.err == "stopped: run the same command again to continue\n"


def interrupt(_):
    raise KeyboardInterrupt
