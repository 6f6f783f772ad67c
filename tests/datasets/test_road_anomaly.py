"""RoadAnomaly, as downloaded and re-packed."""

import json

import numpy as np
import pytest

from mmosr.datasets import RoadAnomalyDataset
from mmosr.utils import InputError

from .anomaly_contract import NAMES, SIZE, AnomalyContract, write_picture
from .contract import write_label


class TestOriginal(AnomalyContract):
    type = "mmosr.RoadAnomalyDataset"
    layout = "original"
    image = "frames/{name}{suffix}"
    label = "frames/{name}.labels/labels_semantic.png"
    values = {0: 0, **dict.fromkeys(range(2, 255), 254)}
    suffix = ".webp"
    wrong = (1, 255)

    def finish(self, root):
        for name in NAMES:
            write_label(
                self.label_path(root, name).with_name("labels_instance.png"),
                np.eye(9, dtype=np.uint8),
            )
        self.write_list(root, [f"{name}.webp" for name in NAMES])

    def write_list(self, root, content):
        (root / "frame_list.json").write_text(json.dumps(content))

    def test_list_of_another_format(self, root):
        """The list of the jpg copy names jpg files, and the other way round."""
        self.write_list(root, [f"{name}.jpg" for name in NAMES])
        assert len(self.build(root)) == 3

    def test_frames_that_are_not_listed(self, root):
        write_picture(self.image_path(root, "more"), 0)
        write_label(self.label_path(root, "more"), np.zeros(SIZE, np.uint8))
        assert len(self.build(root)) == 3

    def test_listed_frame_without_labels(self, root):
        self.write_list(root, [f"{name}.webp" for name in (*NAMES, "y", "x")])
        missing = ", ".join(f"frames/{name}.labels/labels_semantic.png" for name in "xy")
        self.fails(root, f"2 of 5 frames in .*frame_list.json have no label file: .* {missing}:")

    def test_listed_frame_without_image(self, root):
        self.image_path(root, NAMES[2]).unlink()
        self.fails(root, rf"1 of 3 label files have no image: expected {root}/frames/z_000002\.\*")

    def test_list_is_missing(self, root):
        (root / "frame_list.json").unlink()
        self.fails(root, "frame_list.json is missing")

    @pytest.mark.parametrize("content", [{}, [], [1], "a.webp"])
    def test_list_holds_something_else(self, root, content):
        self.write_list(root, content)
        self.fails(root, "frame_list.json has no list of image names")

    def test_list_is_broken(self, root):
        (root / "frame_list.json").write_text('["a.webp"')
        self.fails(root, "frame_list.json cannot be read as JSON")


class TestRepacked(AnomalyContract):
    type = "mmosr.RoadAnomalyDataset"
    layout = "original+labels"
    image = "original/{name}{suffix}"
    label = "labels/{name}.png"
    values = {0: 0, 1: 254, 255: 255}
    wrong = (2, 254)


class TestMasks(TestRepacked):
    layout = "images+labels_masks"
    image = "images/{name}{suffix}"
    label = "labels_masks/{name}.png"


class TestRepackedWithItsValue(TestMasks):
    options = dict(unknown_value=2)
    values = {0: 0, 2: 254, 255: 255}
    wrong = (1, 3)


@pytest.mark.parametrize("value", [0, 255])
def test_value_that_means_something_else(value):
    with pytest.raises(InputError, match=f"unknown_value={value}: choose from 1 to 254"):
        RoadAnomalyDataset("x", unknown_value=value)
