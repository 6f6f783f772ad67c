"""Tests of the families of unknown objects in the embedded demo scenes."""

import colorsys
import hashlib
import json

import cv2
import numpy as np
import pytest

from mmosr.datasets.demo.kinds import bar, hsv, turned
from mmosr.datasets.demo.new_unknowns import NEW_KINDS
from mmosr.datasets.demo.scenes import (
    DEMO_CLASS_IDS,
    MIN_UNKNOWN_SHARE,
    draw_scene,
    scene_paths,
    write_demo_scenes,
)
from mmosr.datasets.demo.unknowns import TEST_KINDS
from mmosr.datasets.demo.validation_unknowns import VALIDATION_KINDS
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

SIZE = (48, 96)
ALL = [*TEST_KINDS, *VALIDATION_KINDS, *NEW_KINDS]
NEW_TEST = [*TEST_KINDS, *NEW_KINDS]
# First bytes of the SHA-256 of picture and labels, as the first version drew them.
PINNED = {
    (0, False, (128, 256)): "4b21ccb014cc1d09",
    (0, False, (48, 96)): "9c89b37a1fcc055f",
    (1, False, (128, 256)): "14d83aef11851519",
    (1, False, (48, 96)): "48f8f27220d5be9a",
    (2_000_000, True, (128, 256)): "ae2e7154d698f3a5",
    (2_000_000, True, (48, 96)): "7d62bc116f6f5eb9",
    (2_000_001, True, (128, 256)): "833e513a6c264d7c",
    (2_000_001, True, (48, 96)): "5f81a8b2bac20a91",
}


def write(root, **changes):
    counts = {"train": 1, "val": 3, "test": 3, "val_unknown": 4}
    return write_demo_scenes(root, **{**counts, "size": SIZE, **changes})


def read(root, split, index):
    return [cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in scene_paths(root, split, index)]


def assert_scene(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return write(tmp_path_factory.mktemp("kinds") / "set")


@pytest.mark.parametrize(("scene", "digest"), PINNED.items())
def test_scenes_of_set_0_do_not_change(scene, digest):
    seed, unknown, size = scene
    image, label = draw_scene(seed, size, unknown)
    assert hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest().startswith(digest)


def test_families_share_no_kind():
    assert len(ALL) == len(set(ALL)) == 19
    assert (len(TEST_KINDS), len(VALIDATION_KINDS), len(NEW_KINDS)) == (7, 7, 5)


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_is_drawn_with_the_labels_of_a_scene(kind):
    for seed in range(4):
        image, label = draw_scene(seed, SIZE, [kind])
        assert set(np.unique(label)) <= {*DEMO_CLASS_IDS, UNKNOWN_LABEL, IGNORE_LABEL}
        assert np.mean(label == UNKNOWN_LABEL) >= MIN_UNKNOWN_SHARE
        assert_scene((image, label), draw_scene(seed, SIZE, [kind]))


def test_kinds_differ_in_shape():
    """The same seed puts them at the same place, so the outlines would be the same otherwise."""
    outlines = {(draw_scene(3, (96, 192), [kind])[1] == UNKNOWN_LABEL).tobytes() for kind in ALL}
    assert len(outlines) == len(ALL)


def test_true_means_the_test_kinds():
    for seed in range(3):
        assert_scene(draw_scene(seed, SIZE, True), draw_scene(seed, SIZE, list(TEST_KINDS)))
    assert_scene(draw_scene(0, SIZE, "sofa"), draw_scene(0, SIZE, ["sofa"]))


@pytest.mark.parametrize("kinds", [["sofa", "unicorn"], ["unicorn"], [], "unicorn"])
def test_other_kinds_are_refused_by_the_names_of_all(kinds):
    with pytest.raises(InputError, match="choose from animal, .*bench, .*tent") as error:
        draw_scene(0, SIZE, kinds)
    assert ("unicorn" in str(error.value)) == bool(kinds) and "\n" not in str(error.value)


@pytest.mark.parametrize("family", [TEST_KINDS, VALIDATION_KINDS, NEW_KINDS])
def test_objects_of_all_families_are_as_large(family):
    shares = [
        np.mean(draw_scene(seed, SIZE, list(family))[1] == UNKNOWN_LABEL) for seed in range(40)
    ]
    assert 0.01 < np.median(shares) < 0.03 and max(shares) < 0.2


def test_validation_objects_stand_in_the_streets_of_val(finished):
    for index in range(3):
        plain_image, plain = read(finished, "val", index)
        image, label = read(finished, "val_unknown", index)
        assert_scene((image, label), draw_scene(1_000_000 + index, SIZE, list(VALIDATION_KINDS)))
        assert UNKNOWN_LABEL in label and UNKNOWN_LABEL not in plain
        # Labels change at the object and its ignored ring only, pixels in its shadow too.
        assert set(np.unique(label[label != plain])) <= {UNKNOWN_LABEL, IGNORE_LABEL}
        assert np.mean((image == plain_image).all(axis=-1)) > 0.8
    # If longer than val, the split continues along streets that val would have.
    assert_scene(
        read(finished, "val_unknown", 3), draw_scene(1_000_003, SIZE, list(VALIDATION_KINDS))
    )


def test_the_other_splits_are_the_same_without_val_unknown(finished, tmp_path):
    root = write(tmp_path / "set", val_unknown=0)
    assert not (root / "leftImg8bit" / "val_unknown").exists()
    for split, count in {"train": 1, "val": 3, "test": 3}.items():
        for index in range(count):
            assert_scene(read(root, split, index), read(finished, split, index))


def test_test_kinds_of_set_0_and_of_others(finished, tmp_path):
    other = write(tmp_path / "set", seed=1, test=8)
    for index in range(3):
        assert_scene(read(finished, "test", index), draw_scene(2_000_000 + index, SIZE, True))
    changed = 0
    for index in range(8):
        scene = read(other, "test", index)
        assert_scene(scene, draw_scene(5_000_000 + index, SIZE, NEW_TEST))
        changed += np.any(scene[1] != draw_scene(5_000_000 + index, SIZE, True)[1])
    assert changed >= 6
    assert_scene(read(other, "val_unknown", 0), draw_scene(4_000_000, SIZE, list(VALIDATION_KINDS)))


def as_before(root):
    """Change the marker into one that was written before there were families."""
    marker = root / "demo_scenes.json"
    content = json.loads(marker.read_text())
    del content["val_unknown"], content["test_kinds"]
    marker.write_text(json.dumps(content))
    return marker, marker.read_text()


def test_a_set_of_an_earlier_version_is_left_alone(tmp_path):
    root = write(tmp_path / "set", val_unknown=0)
    marker, text = as_before(root)
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    write(root, val_unknown=0, progress=lambda scenes: pytest.fail("drew again"))
    assert marker.read_text() == text
    assert times == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_set_without_the_new_kinds_is_replaced(tmp_path):
    root = write(tmp_path / "set", seed=1)
    as_before(root)
    drawn = []
    write(root, seed=1, progress=lambda scenes: drawn.extend(scenes) or scenes)
    assert len(drawn) == 11


def test_hsv_is_that_of_the_standard_library():
    rng = np.random.default_rng(0)
    for hue, saturation, value in rng.random((50, 3)):
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, value))[::-1] * 255
        np.testing.assert_allclose(hsv(hue, saturation, value), expected, atol=1e-9)
    np.testing.assert_allclose(hsv(-1 / 3, 1, 1), [255, 0, 0], atol=1e-9)
    np.testing.assert_allclose(hsv(4 / 3, 1, 0.2), [0, 51, 0], atol=1e-9)


def test_bar_and_turned_by_hand_computed_values():
    upright = bar((0, 0), (0, 2), 1, 0.5)
    np.testing.assert_allclose(upright, [[0.5, 0], [0.25, 2], [-0.25, 2], [-0.5, 0]])
    # A quarter turn: (x, y) -> (-y, x), then up by 0.5 onto the ground.
    flat, point = turned([upright, np.array([[0.0, 1.0]])], np.pi / 2)
    np.testing.assert_allclose(flat, [[0, 1], [-2, 0.75], [-2, 0.25], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(point, [[-1, 0.5]], atol=1e-12)
