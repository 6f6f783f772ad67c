"""What every data set with held-out classes must do."""

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS
from PIL import Image

import mmosr.datasets  # noqa: F401  registers the data sets
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError

SIZE = (12, 20)
NAMES = ("b_000002_000019", "a_000001_000019")  # not sorted, as on disk
LOAD = [
    dict(type="LoadImageFromFile"),
    dict(type="mmosr.LoadOpenSetAnnotations"),
    dict(type="PackSegInputs"),
]


def write_image(path, colour, size=SIZE):
    """A plain picture of one BGR colour, in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), colour, np.uint8))


def write_label(path, label):
    """A label file ``(H, W)``, uint8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(label).save(path)


def labels_of(sample):
    """Ground truth ``(H, W)`` of a loaded sample."""
    return sample["data_samples"].gt_sem_seg.data[0].numpy()


@pytest.mark.usefixtures("mmseg_scope")
class DatasetContract:
    """Tests of a data set; a data set's test class inherits them and gives four attributes.

    A fixture writes two small scenes in the very layout of the data set.
    """

    type: str  # 'mmosr.Name'
    data_prefix: dict  # folders of images and labels below the root
    image: str  # path of an image below its folder, with {name}
    label: str  # path of a label file below its folder, with {name}

    @pytest.fixture
    def root(self, tmp_path):
        """Folder of two scenes that hold every class, 254 and 255."""
        for index, name in enumerate(NAMES):
            write_image(self.image_path(tmp_path, name), (40 * index + 20, 100, 180))
            write_label(self.label_path(tmp_path, name), self.raw_label(index))
        return tmp_path

    def image_path(self, root, name=NAMES[1]):
        """Where the image of a scene lies."""
        return root / self.data_prefix["img_path"] / self.image.format(name=name)

    def label_path(self, root, name=NAMES[1]):
        """Where the labels of a scene lie."""
        return root / self.data_prefix["seg_map_path"] / self.label.format(name=name)

    def build(self, root, **kwargs):
        """The data set with a pipeline that only loads."""
        cfg = dict(type=self.type, data_root=str(root), data_prefix=self.data_prefix, pipeline=LOAD)
        return DATASETS.build({**cfg, **kwargs})

    @property
    def classes(self):
        """Names of all classes, by the ids in the files."""
        return DATASETS.get(self.type).METAINFO["classes"]

    @property
    def held_out(self):
        """One unknown class and two ignored ones, at the ends and inside."""
        return dict(
            unknown_classes=[self.classes[1]],
            ignored_classes=[self.classes[0], self.classes[-1]],
        )

    def raw_label(self, index):
        """Every class id, 254 and 255, in random places."""
        ids = [*range(len(self.classes)), UNKNOWN_LABEL, IGNORE_LABEL]
        generator = np.random.default_rng(index)
        return generator.permutation(np.resize(np.uint8(ids), SIZE[0] * SIZE[1])).reshape(SIZE)

    def expected(self, index, unknown):
        """The labels of scene ``index`` with :attr:`held_out`, one pixel at a time."""
        last = len(self.classes) - 1

        def translate(value):
            if value in (1, UNKNOWN_LABEL):
                return unknown
            return IGNORE_LABEL if value in (0, last, IGNORE_LABEL) else value - 2

        return np.vectorize(translate)(self.raw_label(index).astype(int))

    def test_known_classes_and_palette(self, root):
        dataset = self.build(root, **self.held_out)
        assert dataset.metainfo["classes"] == self.classes[2:-1] == dataset.known_classes
        palette = DATASETS.get(self.type).METAINFO["palette"]
        assert dataset.metainfo["palette"] == palette[2:-1]
        everything = self.build(root).metainfo
        assert everything["classes"] == self.classes and everything["palette"] == palette
        assert len(palette) == len(self.classes) == len(set(self.classes))

    def test_images_and_labels_are_paired(self, root):
        dataset = self.build(root)
        assert len(dataset) == 2
        for position, index in enumerate((1, 0)):  # in the order of the file names
            sample = dataset[position]
            blue = sample["inputs"][0].float().mean()
            assert abs(blue - (40 * index + 20)) < 3  # JPEG
            assert NAMES[index] in sample["data_samples"].img_path
            raw = self.raw_label(index)
            np.testing.assert_array_equal(labels_of(sample), np.where(raw == 254, 255, raw))

    def test_held_out_classes_are_ignored_in_training(self, root):
        dataset = self.build(root, **self.held_out)
        for position, index in enumerate((1, 0)):
            labels = labels_of(dataset[position])
            np.testing.assert_array_equal(labels, self.expected(index, IGNORE_LABEL))
            assert set(np.unique(labels)) == {*range(len(self.classes) - 3), 255}

    def test_unknown_classes_are_marked_in_tests(self, root):
        dataset = self.build(root, mark_unknown=True, **self.held_out)
        for position, index in enumerate((1, 0)):
            labels = labels_of(dataset[position])
            np.testing.assert_array_equal(labels, self.expected(index, UNKNOWN_LABEL))
            assert set(np.unique(labels)) == {*range(len(self.classes) - 3), 254, 255}

    def test_raw_unknown_pixels(self, root):
        raw = self.raw_label(1)
        labels = labels_of(self.build(root)[0])
        assert (labels[raw == 254] == 255).all()  # no class of its own in training
        labels = labels_of(self.build(root, mark_unknown=True)[0])
        np.testing.assert_array_equal(labels, raw)

    def test_options_of_the_host(self, root):
        dataset = self.build(root, indices=1, test_mode=True, serialize_data=False)
        assert len(dataset) == 1 and dataset.test_mode
        lazy = self.build(root / "nowhere", lazy_init=True, **self.held_out)
        assert lazy.metainfo["classes"] == self.classes[2:-1]

    # Errors

    def test_missing_label_names_the_image(self, root):
        self.label_path(root).unlink()
        with pytest.raises(InputError, match=f"{self.image_path(root)} has no label file .*png"):
            self.build(root)

    def test_missing_folder(self, root):
        with pytest.raises(InputError, match="folder '.*nowhere.*' does not exist.*docs/data.md"):
            self.build(root / "nowhere")

    def test_empty_folder(self, root):
        for name in NAMES:
            self.image_path(root, name).unlink()
        with pytest.raises(InputError, match="holds no .* image"):
            self.build(root)

    def test_misspelt_class(self, root):
        for key in ("unknown_classes", "ignored_classes"):
            with pytest.raises(InputError, match=f"zebra cannot be held out.*{self.classes[0]}"):
                self.build(root, **{key: [self.classes[1], "zebra"]})

    def test_no_known_class_left(self, root):
        with pytest.raises(InputError, match="every class cannot be held out"):
            self.build(root, unknown_classes=self.classes)

    def test_class_held_out_twice(self, root):
        name = self.classes[1]
        with pytest.raises(InputError, match=f"{name} cannot be both unknown and ignored"):
            self.build(root, unknown_classes=[name], ignored_classes=[name])

    def test_label_out_of_range_names_file_and_values(self, root):
        label = self.raw_label(1)
        label[0, :2] = [len(self.classes), 200]
        write_label(self.label_path(root), label)
        dataset = self.build(root)
        values = rf"\[{len(self.classes)}, 200\]"
        with pytest.raises(InputError, match=f"{self.label_path(root)} holds the values {values}"):
            dataset[0]

    @pytest.mark.parametrize("keep", [0, 20, 60])
    def test_corrupt_label_names_file(self, root, keep):
        path = self.label_path(root)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=f"{path} cannot be read as an image"):
            self.build(root)[0]

    def test_label_removed_after_the_start(self, root):
        dataset = self.build(root)
        self.label_path(root).unlink()
        with pytest.raises(InputError, match=f"{self.label_path(root)} is missing"):
            dataset[0]
