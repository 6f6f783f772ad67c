"""The base of the benchmarks, on the re-packed trees and where layouts meet."""

import numpy as np
import pytest

from mmosr.datasets import AnomalySegDataset
from mmosr.datasets.anomaly_dataset import find_images, find_labels, some
from mmosr.utils import InputError

from .anomaly_contract import NAMES, SIZE, AnomalyContract, write_picture
from .contract import write_label

VALUES = {0: 0, 1: 254, 255: 255}


class TestOriginalAndLabels(AnomalyContract):
    type = "mmosr.AnomalySegDataset"
    layout = "original+labels"
    image = "original/{name}{suffix}"
    label = "labels/{name}.png"
    values = VALUES

    def test_two_layouts(self, root):
        for index, name in enumerate(NAMES):
            write_picture(root / "images" / f"{name}.png", index + 1)
        self.fails(root, r"in the layouts original\+labels and images\+labels: choose one, such as")
        chosen = self.build(root, layout="images+labels")
        assert chosen.layout == "images+labels" and (chosen[0]["inputs"] == 60).all()
        assert (self.build(root, layout="original+labels")[0]["inputs"] == 20).all()

    def test_chosen_layout_is_not_there(self, root):
        self.fails(root, r"no label files \(labels_masks/\*.png\)", layout="images+labels_masks")

    def test_no_folder_of_images(self, root):
        (root / "original").rename(root / "pictures")
        expected = f"expected {root}/original or {root}/images"
        self.fails(root, f"the image folder is missing: {expected}")

    def test_linked_folders(self, root, tmp_path):
        for folder in ("labels", "original"):
            (root / folder).rename(tmp_path / folder)
            (root / folder).mkdir()
            (root / folder / "town").symlink_to(tmp_path / folder)
        assert len(self.build(root)) == 3

    def test_same_name_in_two_folders(self, root):
        """Scenes are distinguished by their folders."""
        write_picture(root / "original" / "town" / f"{NAMES[0]}.png", 4)
        write_label(root / "labels" / "town" / f"{NAMES[0]}.png", np.zeros(SIZE, np.uint8))
        dataset = self.build(root)
        assert len(dataset) == 4 and (dataset[2]["inputs"] == 180).all()


class TestImagesAndLabels(AnomalyContract):
    type = "mmosr.AnomalySegDataset"
    layout = "images+labels"
    image = "images/{name}{suffix}"
    label = "labels/{name}.png"
    values = VALUES
    suffix = ".webp"


class TestImagesAndMasks(AnomalyContract):
    type = "mmosr.AnomalySegDataset"
    layout = "images+labels_masks"
    image = "images/{name}{suffix}"
    label = "labels_masks/{name}.png"
    values = VALUES


def test_options_that_would_be_ignored_are_refused(tmp_path):
    for option in ("data_prefix", "img_suffix", "ann_file", "reduce_zero_label"):
        with pytest.raises(TypeError, match=option):
            AnomalySegDataset(tmp_path, lazy_init=True, **{option: "x"})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", True),
        ("a_color.png", False),
        ("a_labels_semantic_color.png", False),
        ("a_COLOUR.png", False),
        ("color_a.png", False),
        ("a.color.png", False),
        ("colorado_1.png", True),
        ("discolored.png", True),
        (".a.png", False),
        (".cache/a.png", False),
        ("a.jpg", False),
        ("sub/a.PNG", True),
    ],
)
def test_which_files_are_labels(tmp_path, name, found):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    expected = {name.rsplit(".", 1)[0]: path} if found else {}
    assert find_labels(tmp_path, ".png") == expected


def test_which_files_are_images(tmp_path):
    names = (
        "b_left.PNG",
        "b_left.jpg",
        "a_left.webp",
        "a_left.x.jpeg",
        "a_left.npz",
        ".c_left.png",
    )
    for name in names:
        (tmp_path / name).touch()
    assert find_images(tmp_path, "_left") == {
        "a": [tmp_path / "a_left.webp"],
        "b": [tmp_path / "b_left.PNG", tmp_path / "b_left.jpg"],
    }
    assert set(find_images(tmp_path)) == {"a_left", "a_left.x", "b_left"}
    assert find_images(tmp_path / "nowhere") == {}


def test_first_names():
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d"]) == "a, b, c, ..."


def test_first_missing_images_are_named(tmp_path):
    for index in range(5):
        write_label(tmp_path / "labels" / f"{index}.png", np.zeros(SIZE, np.uint8))
    write_picture(tmp_path / "images" / "0.png", 0)
    names = ", ".join(f"{tmp_path}/images/{index}.*" for index in (1, 2, 3))
    with pytest.raises(InputError) as caught:
        AnomalySegDataset(tmp_path)
    assert str(caught.value) == (
        f"AnomalySegDataset: 4 of 5 label files have no image: expected {names}, ... "
        "(.jpg, .jpeg, .png, .webp): add the images; see docs/data.md"
    )
