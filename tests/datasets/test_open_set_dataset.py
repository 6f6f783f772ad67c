"""Data sets with held-out classes: the contract for each, and the embedded scenes."""

import numpy as np
import pytest
from mmengine.registry import DATASETS
from PIL import Image

from mmosr.datasets import CamVidDataset, OpenSetSegDataset
from mmosr.utils import InputError

from .contract import LOAD, SIZE, DatasetContract, labels_of, write_image, write_label


class TestCamVidDataset(DatasetContract):
    type = "mmosr.CamVidDataset"
    data_prefix = dict(img_path="images/train", seg_map_path="labels/train")
    image = "{name}.jpg"
    label = "{name}.png"

    def test_png_images(self, root):
        for path in (root / "images" / "train").glob("*.jpg"):
            Image.open(path).save(path.with_suffix(".png"))
            path.unlink()
        for options in ({}, dict(img_suffix=".png"), dict(lazy_init=True)):
            dataset = self.build(root, **options)
            assert dataset.img_suffix == ".png"
            dataset.full_init()
            assert len(dataset) == 2
        with pytest.raises(InputError, match=r"has no '\*\.jpg' image"):
            self.build(root, img_suffix=".jpg")


class TestOpenSetCityscapesDataset(DatasetContract):
    type = "mmosr.OpenSetCityscapesDataset"
    data_prefix = dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val")
    image = "frankfurt/{name}_leftImg8bit.png"
    label = "frankfurt/{name}_gtFine_labelTrainIds.png"

    @pytest.mark.parametrize(("split", "count"), [("train", 3), ("val", 2), ("test", 2)])
    def test_embedded_scenes(self, demo_scenes, split, count):
        prefix = dict(img_path=f"leftImg8bit/{split}", seg_map_path=f"gtFine/{split}")
        ignored = ["fence", "person"]  # not drawn
        dataset = self.build(
            demo_scenes, data_prefix=prefix, ignored_classes=ignored, mark_unknown=True
        )
        assert len(dataset) == count
        known = [name for name in self.classes if name not in ignored]
        for sample in dataset:
            path = sample["data_samples"].seg_map_path
            raw, labels = np.asarray(Image.open(path)), labels_of(sample)
            assert (254 in raw) == (split == "test")
            np.testing.assert_array_equal(labels == 254, raw == 254)
            np.testing.assert_array_equal(labels == known.index("car"), raw == 13)


class TestOpenSetADE20KDataset(DatasetContract):
    type = "mmosr.OpenSetADE20KDataset"
    data_prefix = dict(img_path="images/training", seg_map_path="annotations/training")
    image = "ADE_train_{name}.jpg"
    label = "ADE_train_{name}.png"
    shift = 1

    def test_ids_of_the_files(self, root):
        """Every possible value in a file, against mmseg's classes, one by one."""
        path = self.label_path(root)
        write_label(path, np.resize(np.uint8([*range(151), 254, 255]), SIZE))
        held_out = dict(unknown_classes=["wall", "tree"], ignored_classes=["sky", "flag"])
        assert [self.classes.index(n) for n in ("wall", "sky", "tree", "flag")] == [0, 2, 4, 149]
        known = [index for index in range(150) if index not in (0, 2, 4, 149)]
        expected = [255] + [known.index(i) if i in known else 255 for i in range(150)] + [254, 255]
        for ids in (1, 5):
            expected[ids] = 254
        dataset = self.build(root, mark_unknown=True, **held_out)
        np.testing.assert_array_equal(labels_of(dataset[0]), np.resize(expected, SIZE))
        training = np.where(np.array(expected) == 254, 255, expected)
        dataset = self.build(root, **held_out)
        np.testing.assert_array_equal(labels_of(dataset[0]), np.resize(training, SIZE))

    def test_pipeline_of_the_host(self, root):
        """mmseg's own pipelines for ADE20K state reduce_zero_label once more."""
        load = [
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations", reduce_zero_label=True),
            dict(type="PackSegInputs"),
        ]
        dataset = self.build(root, mark_unknown=True, pipeline=load, **self.held_out)
        np.testing.assert_array_equal(labels_of(dataset[0]), self.expected(1, 254))

    def test_same_labels_as_the_host(self, root):
        host = DATASETS.build(
            dict(
                type="mmseg.ADE20KDataset",
                data_root=str(root),
                data_prefix=self.data_prefix,
                pipeline=[
                    dict(type="LoadImageFromFile"),
                    dict(type="LoadAnnotations"),
                    dict(type="PackSegInputs"),
                ],
            )
        )
        ours = self.build(root)
        assert ours.metainfo["classes"] == host.metainfo["classes"]
        for a, b in zip(ours, host, strict=True):
            classes = labels_of(b) < 150
            np.testing.assert_array_equal(labels_of(a)[classes], labels_of(b)[classes])
            np.testing.assert_array_equal(labels_of(a) < 150, classes)


METAINFO = dict(classes=("a", "b", "c", "d"), palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4]])


@pytest.mark.usefixtures("mmseg_scope")
class TestClassesFromTheConfig:
    """A user's own data: no class is written, the config names the classes."""

    @pytest.fixture
    def root(self, tmp_path):
        write_image(tmp_path / "img" / "x.jpg", 90)
        write_label(tmp_path / "ann" / "x.png", np.resize(np.uint8([0, 1, 2, 3, 254, 255]), SIZE))
        return tmp_path

    def build(self, root, metainfo=METAINFO, **kwargs):
        prefix = dict(img_path="img", seg_map_path="ann")
        cfg = dict(type="mmosr.OpenSetSegDataset", data_root=str(root), data_prefix=prefix)
        return DATASETS.build({**cfg, "metainfo": metainfo, "pipeline": LOAD, **kwargs})

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, [0, 1, 2, 3, 255, 255]),
            (dict(mark_unknown=True), [0, 1, 2, 3, 254, 255]),
            (dict(ignored_classes=["b"], mark_unknown=True), [0, 255, 1, 2, 254, 255]),
            (dict(unknown_classes=["b"]), [0, 255, 1, 2, 255, 255]),
            (dict(unknown_classes="b", mark_unknown=True), [0, 254, 1, 2, 254, 255]),
            (
                dict(unknown_classes=["a", "c"], ignored_classes=["d"], mark_unknown=True),
                [254, 0, 254, 255, 254, 255],
            ),
        ],
    )
    def test_values(self, root, options, expected):
        dataset = self.build(root, **options)
        np.testing.assert_array_equal(labels_of(dataset[0]), np.resize(expected, SIZE))
        held_out = {*options.get("unknown_classes", ()), *options.get("ignored_classes", ())}
        assert dataset.metainfo["classes"] == tuple(n for n in "abcd" if n not in held_out)
        colours = [value for value in METAINFO["palette"] if "abcd"[value[0] - 1] not in held_out]
        assert dataset.metainfo["palette"] == colours

    def test_reduced_zero_label(self, root):
        """The host subtracts 1 from every id before mapping; 254 in a file stays unknown."""
        options = dict(reduce_zero_label=True, unknown_classes="b", mark_unknown=True)
        dataset = self.build(root, **options)  # the file holds 0 1 2 3 254 255
        expected = np.resize([255, 0, 254, 1, 254, 255], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)

    def test_classes_from_a_file(self, root):
        (root / "classes.txt").write_text("a\nb\nc\nd\n")
        metainfo = dict(classes=str(root / "classes.txt"))
        dataset = self.build(root, metainfo, unknown_classes=["c"], mark_unknown=True)
        expected = np.resize([0, 1, 254, 2, 254, 255], SIZE)
        np.testing.assert_array_equal(labels_of(dataset[0]), expected)
        assert len(dataset.metainfo["palette"]) == 3

    def test_list_of_images(self, root):
        write_image(root / "img" / "y.jpg", 90)  # not in the list, and without labels
        (root / "list.txt").write_text("x\n")
        assert len(self.build(root, ann_file="list.txt")) == 1

    def test_no_classes(self, root):
        with pytest.raises(InputError, match="OpenSetSegDataset: no classes are set"):
            self.build(root, None)

    def test_no_folder_at_all(self):
        with pytest.raises(InputError, match="folder '' does not exist"):
            OpenSetSegDataset(metainfo=METAINFO)

    def test_images_without_labels(self, root):
        dataset = self.build(root, data_prefix=dict(img_path="img"))
        with pytest.raises(InputError, match=r"x\.jpg has no label file: set data_prefix"):
            dataset[0]


def test_a_subset_of_the_classes_in_another_order(tmp_path, mmseg_scope):
    write_image(tmp_path / "img" / "x.jpg", 90)
    write_label(tmp_path / "ann" / "x.png", np.resize(np.uint8([*range(11), 254, 255]), SIZE))
    dataset = CamVidDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path="img", seg_map_path="ann"),
        metainfo=dict(classes=("car", "sky", "road")),
        unknown_classes=("tree",),
        mark_unknown=True,
        pipeline=LOAD,
    )
    expected = [1, 255, 255, 2, 255, 254, 255, 255, 0, 255, 255, 254, 255]
    np.testing.assert_array_equal(labels_of(dataset[0]), np.resize(expected, SIZE))
    names = CamVidDataset.METAINFO["classes"]
    colours = [CamVidDataset.METAINFO["palette"][names.index(n)] for n in ("car", "sky", "road")]
    assert dataset.metainfo["palette"] == colours
