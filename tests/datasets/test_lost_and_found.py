"""Lost and Found."""

import numpy as np
import pytest

from mmosr.datasets import LostAndFoundDataset
from mmosr.utils import InputError

from .anomaly_contract import NAMES, SIZE, AnomalyContract, write_picture
from .contract import write_label

# Train ids of the data set's own table: 0 is background (non-hazards), 1 free road, 2 objects.
TRAIN_IDS = [255, 1] + [2] * 29 + [0, 2, 0, 0, 2, 0, 0, 0, 0, 2, 2, 2, 2]


def expected_values(non_hazards):
    meaning = {255: 255, 1: 0, 2: 254, 0: non_hazards}
    return {**{index: meaning[train] for index, train in enumerate(TRAIN_IDS)}, 255: 255}


class TestLostAndFound(AnomalyContract):
    type = "mmosr.LostAndFoundDataset"
    layout = "official"
    image = "leftImg8bit/test/01_Street/{name}_leftImg8bit{suffix}"
    label = "gtCoarse/test/01_Street/{name}_gtCoarse_labelIds.png"
    values = expected_values(254)
    wrong = (44, 254)

    def finish(self, root):
        for name in NAMES:
            for kind in ("instanceIds", "labelTrainIds"):
                path = root / "gtCoarse" / "test" / "01_Street" / f"{name}_gtCoarse_{kind}.png"
                write_label(path, np.full(SIZE, 77, np.uint8))

    def test_splits_are_apart(self, root):
        write_picture(root / "leftImg8bit/train/02_Street/x_leftImg8bit.png", 4)
        path = root / "gtCoarse/train/02_Street/x_gtCoarse_labelIds.png"
        write_label(path, np.ones(SIZE, np.uint8))
        assert len(self.build(root)) == 3
        train = self.build(root, split="train")
        assert len(train) == 1 and (train[0]["inputs"] == 180).all()

    def test_frames_with_known_objects(self, root):
        names = (
            "01_Hanns_Klemm_Str_45_000006_000100",
            "01_Hanns_Klemm_Str_45_000007_000170",
            "01_Hanns_Klemm_Str_45_000008_000060",
            "10_Schlossberg_9_000003_000020",
            "10_Schlossberg_9_000004_000060",
            "15_Rechbergstr_Deckenpfronn_000000_000020",
        )
        for name in names:
            write_picture(self.image_path(root, name), 0)
            write_label(self.label_path(root, name), np.zeros(SIZE, np.uint8))
        assert len(self.build(root)) == 9
        dataset = self.build(root, no_known=True)
        kept = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
        assert kept == [str(self.image_path(root, n)) for n in (names[2], names[3], *NAMES)]


class TestIgnoredNonHazards(TestLostAndFound):
    options = dict(non_hazards="ignored")
    values = expected_values(255)


class TestKnownNonHazards(TestLostAndFound):
    options = dict(non_hazards="known")
    values = expected_values(0)


def test_the_seven_non_hazards_alone_differ():
    unknown, ignored = (
        LostAndFoundDataset("x", non_hazards=name, lazy_init=True).label_values
        for name in ("unknown", "ignored")
    )
    differing = [value for value in unknown if unknown[value] != ignored[value]]
    assert differing == [31, 33, 34, 36, 37, 38, 39]
    assert list(unknown) == [*range(44), 255]


def test_misspelt_options():
    with pytest.raises(InputError, match="split='val': choose from test, train"):
        LostAndFoundDataset("x", split="val")
    with pytest.raises(InputError, match="non_hazards='void': choose from ignored, known, unknown"):
        LostAndFoundDataset("x", non_hazards="void")
