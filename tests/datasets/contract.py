"""What every data set with held-out classes must do."""

import pickle

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
    """Tests of a data set; a data set's test class inherits them and sets four attributes.

    A fixture writes two small scenes in the exact layout of the data set.
    """

    type: str  # 'mmosr.Name'
    data_prefix: dict  # folders of images and labels below the root
    image: str  # path of an image below its folder, with {name}
    label: str  # path of a label file below its folder, with {name}
    options: dict = {}  # further arguments of the data set
    shift = 0  # the ids in the files begin here
    listed = False  # a list file names the images

    @pytest.fixture
    def root(self, tmp_path):
        """Folder of two scenes that hold every class, 254 and 255."""
        self.prepare(tmp_path)
        return tmp_path

    def prepare(self, root):
        """Write the two scenes."""
        for index, name in enumerate(NAMES):
            self.write_image(self.image_path(root, name), (40 * index + 20, 100, 180))
            self.write_label(self.label_path(root, name), self.in_the_file(self.raw_label(index)))

    def write_image(self, path, colour):
        """A picture of one BGR colour."""
        write_image(path, colour)

    def write_label(self, path, label):
        """A label file of these values."""
        write_label(path, label)

    def image_path(self, root, name=NAMES[1]):
        """Where the image of a scene lies."""
        return root / self.data_prefix["img_path"] / self.image.format(name=name)

    def label_path(self, root, name=NAMES[1]):
        """Where the labels of a scene lie."""
        return root / self.data_prefix["seg_map_path"] / self.label.format(name=name)

    def build(self, root, **kwargs):
        """The data set with a pipeline that only loads."""
        cfg = dict(type=self.type, data_root=str(root), data_prefix=self.data_prefix, pipeline=LOAD)
        return DATASETS.build({**cfg, **self.options, **kwargs})

    @property
    def metainfo(self):
        """Names and colours of all classes, by id."""
        return DATASETS.get(self.type).METAINFO

    @property
    def classes(self):
        """Names of all classes, by id."""
        return self.metainfo["classes"]

    def in_the_file(self, label):
        """What a label file holds for class ids, 254 and 255."""
        ignored = 0 if self.shift else IGNORE_LABEL
        ids = np.where(label < len(self.classes), label + self.shift, label)
        return np.where(label == IGNORE_LABEL, ignored, ids).astype(np.uint8)

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
        palette = self.metainfo["palette"]
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
        assert len(self.build(root).get_subset([1])) == 1

    def test_lazy_start(self, root):
        lazy = self.build(root / "nowhere", lazy_init=True, **self.held_out)
        assert lazy.metainfo["classes"] == self.classes[2:-1]

    def test_pickled(self, root):
        dataset = self.build(root, mark_unknown=True, **self.held_out)
        copy = pickle.loads(pickle.dumps(dataset))
        assert type(copy) is type(dataset) and len(copy) == 2
        assert copy.metainfo == dataset.metainfo and copy.label_map == dataset.label_map
        np.testing.assert_array_equal(labels_of(copy[0]), labels_of(dataset[0]))

    def test_values_of_the_files(self, root):
        """Each possible value in a file, with its label."""
        dataset = self.build(root, mark_unknown=True, **self.held_out)
        raw = self.in_the_file(self.raw_label(1))
        labels = labels_of(dataset[0])
        values = {int(v): int(labels[raw == v][0]) for v in np.unique(raw)}
        assert values.items() <= dataset.label_values.items()
        assert dataset.get_data_info(0)["label_values"] == dataset.label_values
        assert dataset.get_data_info(0)["num_classes"] == len(self.classes) - 3

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
        message = "does not exist, but .* names it" if self.listed else "has no .* image"
        with pytest.raises(InputError, match=message):
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
        first = self.first_wrong
        label = self.in_the_file(self.raw_label(1))
        label[0, :2] = [first, 200]
        self.write_label(self.label_path(root), label)
        dataset = self.build(root)
        message = rf"{self.label_path(root)} holds the values \[{first}, 200\]: expected"
        with pytest.raises(InputError, match=message):
            dataset[0]

    @property
    def first_wrong(self):
        """The value after those of the classes."""
        return len(self.classes) + self.shift

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
