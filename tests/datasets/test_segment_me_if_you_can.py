"""The two tracks of SegmentMeIfYouCan."""

import numpy as np
import pytest

from mmosr.utils import InputError

from .anomaly_contract import NAMES, SIZE, AnomalyContract, write_picture
from .contract import write_label

VALUES = {0: 0, 1: 254, 255: 255}


class TrackContract(AnomalyContract):
    layout = "official"
    image = "images/{name}{suffix}"
    label = "labels_masks/{name}_labels_semantic.png"
    values = VALUES

    def finish(self, root):
        """Pictures of the labels have different names, and test images have no labels."""
        for index, name in enumerate(NAMES):
            picture = root / "labels_masks" / f"{name}_labels_semantic_color.png"
            assert picture.exists()
            write_label(root / "labels_masks" / f"{name}.png", np.full(SIZE, 77, np.uint8))
            write_picture(root / "images" / f"test{index}{self.suffix}", 5)

    def test_labels_of_the_test_are_withheld(self, root):
        with pytest.raises(InputError, match=r"'test' cannot be read.*withheld.*segmentmeifyou"):
            self.build(root, split="test")
        with pytest.raises(InputError, match=r"split 'train' cannot be read: choose 'validation'"):
            self.build(root, split="train")
        assert len(self.build(root, split="validation")) == 3

    def test_download_of_test_images_alone(self, root):
        for path in (root / "labels_masks").iterdir():
            path.unlink()
        self.fails(root, "no label files .*none are made up: the labels of the test .* withheld")


class TestRoadAnomaly21(TrackContract):
    type = "mmosr.RoadAnomaly21Dataset"


class TestRoadObstacle21(TrackContract):
    type = "mmosr.RoadObstacle21Dataset"
    suffix = ".webp"
