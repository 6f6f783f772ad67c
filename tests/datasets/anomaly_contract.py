"""What every benchmark with only the labels known, unknown and ignored must do."""

import re

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS
from PIL import Image

import mmosr.datasets  # noqa: F401  registers the data sets
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

from .contract import LOAD, labels_of, write_label

SIZE = (12, 20)
# In the order of their label files; not the order in which they are written. The dots and the
# "colorado" are parts of names.
NAMES = ("a_colorado_000001", "m_00_16_02.578", "z_000002")
WITHOUT_UNKNOWN = "m_00_16_02.578"


def write_picture(path, index, size=SIZE):
    """A picture of one grey value for each scene, without loss also as webp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((*size, 3), 40 * index + 20, np.uint8)
    flags = [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix.lower() == ".webp" else []
    assert cv2.imwrite(str(path), picture, flags)


@pytest.mark.usefixtures("mmseg_scope")
class AnomalyContract:
    """Tests of a benchmark; its test class inherits them and sets five attributes.

    A fixture writes three small scenes in the exact layout of the benchmark.
    """

    type: str  # 'mmosr.Name'
    layout: str  # name of the layout that is written
    image: str  # path of an image below the root, with {name} and {suffix}
    label: str  # path of a label file below the root, with {name}
    values: dict[int, int]  # allowed values in a label file, and their labels
    suffix = ".png"  # of the images
    options: dict = {}  # further arguments of the data set
    wrong = (77, 254)  # values that are not allowed in label files

    @pytest.fixture
    def root(self, tmp_path):
        """Folder of three scenes with what else lies there: a picture of labels, hidden files."""
        root = tmp_path / "data"
        for index, name in reversed(list(enumerate(NAMES))):
            write_picture(self.image_path(root, name), index)
            write_label(self.label_path(root, name), self.raw_label(index))
            label = self.label_path(root, name)
            write_label(label.with_name(f"{label.stem}_color.png"), np.full(SIZE, 77, np.uint8))
            write_label(label.with_name(f"._{label.name}"), np.full(SIZE, 77, np.uint8))
            image = self.image_path(root, name)
            write_picture(image.with_name(f"._{image.name}"), 5)
        self.finish(root)
        return root

    def finish(self, root):
        """Write what else belongs to the layout."""

    def image_path(self, root, name, suffix=None):
        return root / self.image.format(name=name, suffix=suffix or self.suffix)

    def label_path(self, root, name):
        return root / self.label.format(name=name)

    def build(self, root, **kwargs):
        """The data set with a pipeline that only loads."""
        cfg = dict(type=self.type, data_root=str(root), pipeline=LOAD, test_mode=True)
        cfg["serialize_data"] = False  # collects garbage, which is slow
        return DATASETS.build({**cfg, **self.options, **kwargs})

    def raw_label(self, index):
        """Every allowed value in random places; none that is unknown in the second scene."""
        allowed = [
            value
            for value, label in self.values.items()
            if label != UNKNOWN_LABEL or NAMES[index] != WITHOUT_UNKNOWN
        ]
        generator = np.random.default_rng(index)
        cells = np.resize(np.uint8(generator.permutation(allowed)), SIZE[0] * SIZE[1])
        return generator.permutation(cells).reshape(SIZE)

    def fails(self, root, message, **kwargs):
        """Building the data set is an error of one line, naming it and the documentation."""
        with pytest.raises(InputError, match=message) as caught:
            self.build(root, **kwargs)
        text = str(caught.value)
        name = self.type.removeprefix("mmosr.")
        assert text.startswith(f"{name}: ") and text.endswith("; see docs/data.md")
        assert "\n" not in text

    def test_images_and_labels_are_paired(self, root):
        dataset = self.build(root)
        assert len(dataset) == 3 and dataset.layout == self.layout
        for index, name in enumerate(NAMES):
            item = dataset.get_data_info(index)
            assert item["img_path"] == str(self.image_path(root, name))
            assert item["seg_map_path"] == str(self.label_path(root, name))
            assert item["num_classes"] == 1 and item["reduce_zero_label"] is False
            assert item["label_values"] == item["label_map"] == self.values

    def test_each_value_becomes_its_label(self, root):
        dataset = self.build(root)
        for index, name in enumerate(NAMES):
            sample = dataset[index]
            assert (sample["inputs"] == 40 * index + 20).all() and sample["inputs"].shape[0] == 3
            expected = [[self.values[value] for value in row] for row in self.raw_label(index)]
            np.testing.assert_array_equal(labels_of(sample), expected)
            assert (UNKNOWN_LABEL in labels_of(sample)) == (name != WITHOUT_UNKNOWN)
            assert sample["data_samples"].img_path == str(self.image_path(root, name))

    def test_meta_information(self, root):
        meta = self.build(root).metainfo
        assert meta["classes"] == ("known",) and len(meta["palette"]) == 1
        assert meta["anomaly_only"] is True and meta["label_map"] == self.values
        assert set(self.values.values()) <= {0, UNKNOWN_LABEL, IGNORE_LABEL}

    def test_options_of_the_host(self, root):
        dataset = self.build(root, indices=[2, 0], serialize_data=True)
        paths = [dataset.get_data_info(index)["img_path"] for index in range(2)]
        assert paths == [str(self.image_path(root, NAMES[index])) for index in (2, 0)]
        assert len(self.build(root, indices=1)) == 1
        lazy = self.build(root / "nowhere", lazy_init=True)
        assert lazy.metainfo["classes"] == ("known",)
        lazy = self.build(root, lazy_init=True)
        lazy.full_init()
        assert len(lazy) == 3

    def test_home_folder(self, root, monkeypatch):
        monkeypatch.setenv("HOME", str(root.parent))
        assert len(self.build(f"~/{root.name}")) == 3

    @pytest.mark.parametrize("suffix", [".webp", ".WEBP", ".PNG", ".png"])
    def test_extensions_are_read_from_disk(self, root, suffix):
        path = self.image_path(root, NAMES[2])
        path.unlink()
        write_picture(self.image_path(root, NAMES[2], suffix), 2)
        dataset = self.build(root)
        assert dataset.get_data_info(2)["img_path"].endswith(suffix)
        assert (dataset[2]["inputs"] == 100).all()

    @pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
    def test_jpeg(self, root, suffix):
        self.image_path(root, NAMES[0]).unlink()
        write_picture(self.image_path(root, NAMES[0], suffix), 0)
        assert abs(self.build(root)[0]["inputs"].float().mean() - 20) < 2

    def test_upper_case_labels(self, root):
        path = self.label_path(root, NAMES[0])
        path.rename(path.with_suffix(".PNG"))
        assert len(self.build(root)) == 3

    def test_images_without_labels_are_left_out(self, root):
        write_picture(self.image_path(root, "test0000"), 5)
        assert len(self.build(root)) == 3

    # Errors

    def test_wrong_values_name_file_and_values(self, root):
        path = self.label_path(root, NAMES[1])
        label = self.raw_label(1)
        label[0, : len(self.wrong)] = self.wrong
        write_label(path, label)
        dataset = self.build(root)
        values = re.escape(str(sorted(self.wrong)))
        with pytest.raises(InputError, match=f"{path} holds the values {values}"):
            dataset[1]
        assert dataset[0] is not None

    def test_missing_image_is_named(self, root):
        for name in NAMES[1:]:
            self.image_path(root, name).unlink()
        expected = self.image_path(root, NAMES[1]).name.removesuffix(self.suffix)
        self.fails(root, rf"2 of 3 label files have no image: expected \S*{expected}\.\*")

    def test_two_images_of_one_label(self, root):
        write_picture(self.image_path(root, NAMES[0], ".jpg"), 0)
        name = self.image_path(root, NAMES[0], ".jpg").name
        self.fails(root, f"{self.label_path(root, NAMES[0])} has more than one image, .*{name}")

    def test_no_labels(self, root):
        for name in NAMES:
            self.label_path(root, name).unlink()
        self.fails(root, f"'{root}' has no label files .*missing or withheld, and none are made")

    def test_missing_folder(self, root):
        self.fails(root / "nowhere", "folder '.*nowhere' does not exist: set data_root")

    def test_unknown_layout(self, root):
        with pytest.raises(InputError, match=f"layout='flat': .*{re.escape(self.layout)}"):
            self.build(root, layout="flat")

    def test_colour_labels_are_refused(self, root):
        path = self.label_path(root, NAMES[0])
        Image.fromarray(np.arange(720, dtype=np.uint8).reshape(*SIZE, 3)).save(path)
        with pytest.raises(InputError, match=f"{path} has the shape"):
            self.build(root)[0]
