"""What each data set is made from, on downloads in the public layouts."""

import os

import numpy as np
import pytest

from mmosr.preparation import Request, Summary, make_plan, write_plan
from mmosr.utils import InputError

from . import downloads
from .downloads import BDD, read, snapshot, write_label, write_picture
from .support import pairs_of, prepare, refused, targets


class TestRoadAnomaly:
    name = "road_anomaly"

    def test_download(self, raw, data, mmseg_scope):
        downloads.road_anomaly(raw)
        prepare(self.name, raw, data)
        files = (
            "frame_list.json",
            "frames/camel.jpg",
            "frames/camel.labels/labels_semantic.png",
            "frames/sheep_2.labels/labels_semantic.png",
            "frames/sheep_2.webp",
        )
        assert targets(data) == {file: str(raw / file) for file in files}
        assert len(pairs_of(self.name, data)) == 2

    def test_re_packed_tree(self, raw, data, mmseg_scope):
        write_picture(raw / "original" / "camel.jpg")
        write_label(raw / "labels" / "camel.png", [0, 1])
        prepare(self.name, raw, data)
        assert sorted(targets(data)) == ["labels/camel.png", "original/camel.jpg"]
        assert len(pairs_of(self.name, data)) == 1

    def test_missing_image_and_label(self, raw, data):
        downloads.road_anomaly(raw)
        (raw / "frames" / "camel.jpg").unlink()
        refused(self.name, Request(raw, data), r"1 of 2 label files have no image: .*camel\.\*")
        (raw / "frames" / "camel.labels" / "labels_semantic.png").unlink()
        message = "1 of 2 frames in .* have no label file: expected frames/camel.labels"
        refused(self.name, Request(raw, data), message)


@pytest.mark.parametrize("name", ["road_anomaly_21", "road_obstacle_21"])
class TestSegmentMeIfYouCan:
    def test_labelled_images_alone(self, raw, data, name, mmseg_scope):
        downloads.segment_me_if_you_can(raw)
        prepare(name, raw, data)
        files = [
            "images/validation0000.jpg",
            "images/validation0001.webp",
            "labels_masks/validation0000_labels_semantic.png",
            "labels_masks/validation0001_labels_semantic.png",
        ]
        assert targets(data) == {file: str(raw / file) for file in files}
        assert pairs_of(name, data) == [(data / files[i], data / files[i + 2]) for i in (0, 1)]

    def test_test_images_alone(self, raw, data, name):
        write_picture(raw / "images" / "test0000.jpg")
        refused(name, Request(raw, data), "labels are missing or withheld, and none are made up")


class TestLostAndFound:
    name = "lost_and_found"

    def test_both_splits(self, raw, data, mmseg_scope):
        downloads.lost_and_found(raw)
        prepare(self.name, raw, data)
        found = targets(data)
        assert len(found) == 10 and all(found[path] == str(raw / path) for path in found)
        assert not [path for path in found if "color" in path]
        assert len(pairs_of(self.name, data)) == 3
        assert len(pairs_of(self.name, data, split="train")) == 2

    def test_test_split_alone(self, raw, data):
        downloads.lost_and_found(raw)
        for kind in ("leftImg8bit", "gtCoarse"):
            (raw / kind / "train").rename(raw / f"{kind}_train")
        assert len(prepare(self.name, raw, data)["outputs"]) == 6

    def test_half_of_the_training_split(self, raw, data):
        downloads.lost_and_found(raw)
        (raw / "leftImg8bit" / "train").rename(raw / "train")
        refused(self.name, Request(raw, data), "image folder is missing: .*8bit/train")


class TestStreetHazards:
    name = "street_hazards"

    def test_all_splits(self, raw, data, mmseg_scope):
        downloads.street_hazards(raw)
        prepare(self.name, raw, data)
        found = targets(data)
        assert len(found) == 6 and all(found[path] == str(raw / path) for path in found)
        for split, folder in (("test", "test/{}/test/t5"), ("val", "train/{}/validation/t2")):
            expected = tuple(
                data / folder.format(kind) / "300.png" for kind in ("images", "annotations")
            )
            assert pairs_of(self.name, data, split=split) == [expected]

    def test_test_split_alone(self, raw, data):
        downloads.street_hazards(raw)
        (raw / "train").rename(raw / "other")
        assert len(prepare(self.name, raw, data)["outputs"]) == 2

    def test_missing_files_are_counted_and_named(self, raw, data):
        downloads.street_hazards(raw)
        for index in range(5):
            write_picture(raw / "test/images/test/t6" / f"{index}.png")
        write_label(raw / "train/annotations/training/t1-3/7.png", [1])
        message = r"6 of 18 files are missing: \S*t6/0.png, \S*t6/1.png, \S*t6/2.png, \.\.\.: comp"
        refused(self.name, Request(raw, data), message)

    def test_test_split_is_missing(self, raw, data):
        downloads.street_hazards(raw)
        (raw / "test").rename(raw / "other")
        refused(self.name, Request(raw, data), r"neither \S*test/images/test holds a '\*.png'")


class TestBDDAnomaly:
    name = "bdd_anomaly"
    lists = {"train": "train/a\n", "val": "val/c\n", "test": "train/b\nval/d\n"}

    @pytest.mark.parametrize("below", ["", "bdd100k", "bdd100k/seg"])
    def test_first_release(self, raw, data, below, mmseg_scope):
        downloads.bdd(raw)
        if below == "bdd100k":  # unpacked so that 'seg' is in the given folder
            raw, below = raw / below, ""
        content = prepare(self.name, raw / below, data)
        self.check(data, content, "_train_id.png")

    @pytest.mark.parametrize("below", ["", "bdd100k"])
    def test_new_release(self, raw, data, below, mmseg_scope):
        downloads.bdd(raw, new_release=True)
        self.check(data, prepare(self.name, raw / below, data), ".png")

    def check(self, data, content, ending):
        found = targets(data)
        assert sorted(found) == sorted(
            path for name in BDD for path in (f"images/{name}.jpg", f"labels/{name}_train_id.png")
        )
        for name in BDD:
            assert found[f"labels/{name}_train_id.png"].endswith(f"{name}{ending}")
            np.testing.assert_array_equal(
                read(data / f"labels/{name}_train_id.png").ravel()[:2], BDD[name]
            )
        assert {split: (data / f"{split}.txt").read_text() for split in self.lists} == self.lists
        assert content["options"] == {"unknown_ids": [16, 17, 18]}
        assert content["dataset"] == {"unknown_classes": ["train", "motorcycle", "bicycle"]}
        assert [image.stem for image, _ in pairs_of(self.name, data)] == ["b", "d"]

    def test_other_unknown_classes(self, raw, data):
        downloads.bdd(raw)
        prepare(self.name, raw, data)
        request = Request(raw, data, unknown_ids=(12, 12, 17))
        plan = make_plan(self.name, request)
        assert plan.dataset == {"unknown_classes": ["rider", "motorcycle"]}
        assert write_plan(plan, data) == Summary(3, 8, 0)  # the lists
        assert (data / "test.txt").read_text() == "train/b\nval/c\n"
        assert (data / "train.txt").read_text() == "train/a\n"

    def test_changed_label_changes_the_lists(self, raw, data):
        downloads.bdd(raw)
        prepare(self.name, raw, data)
        write_label(raw / "bdd100k/seg/labels/val/c_train_id.png", [1, 18])
        write_label(raw / "bdd100k/seg/labels/val/d_train_id.png", [1, 15])
        plan = make_plan(self.name, Request(raw, data))
        assert write_plan(plan, data) == Summary(5, 6, 0)
        assert (data / "test.txt").read_text() == "train/b\nval/c\n"

    def test_missing_labels(self, raw, data):
        downloads.bdd(raw)
        (raw / "bdd100k/seg/labels/val/c_train_id.png").unlink()
        message = r"1 of 8 files are missing: \S*labels/val/c_train_id.png"
        refused(self.name, Request(raw, data), message)

    def test_nothing_there(self, raw, data):
        raw.mkdir()
        refused(self.name, Request(raw, data), r"neither \S*images/train holds a '\*.jpg'")

    def test_ids_that_are_no_class(self, raw, data):
        downloads.bdd(raw)
        refused(self.name, Request(raw, data, unknown_ids=(19,)), "expected train ids from 0 to 18")


class TestCamVid:
    name = "camvid"

    @pytest.mark.parametrize("below", ["", "CamVid"])
    @pytest.mark.parametrize("suffix", [".png", ".jpg"])
    def test_void(self, raw, data, below, suffix):
        downloads.camvid(raw, suffix)
        before = snapshot(raw)
        content = prepare(self.name, raw / below, data)
        assert snapshot(raw) == before
        assert content["dataset"] == {}
        for index, split in enumerate(("train", "val", "test")):
            name = f"0001TP_00{index}690"
            image = raw / "CamVid" / split / f"{name}{suffix}"
            assert os.readlink(data / "images" / split / f"{name}{suffix}") == str(image)
            label = read(data / "labels" / split / f"{name}.png")
            assert label.ravel()[:13].tolist() == [*range(11), 255, index]
            assert (label.ravel()[13:] == 0).all() and label.dtype == np.uint8

    def test_read_by_the_benchmark(self, raw, data, mmseg_scope):
        downloads.camvid(raw, ".jpg")
        prepare(self.name, raw, data)
        (pair,) = pairs_of(self.name, data)
        assert [path.name for path in pair] == ["0001TP_002690.jpg", "0001TP_002690.png"]

    def test_other_values(self, raw, data):
        downloads.camvid(raw)
        label = raw / "CamVid/testannot/0001TP_002690.png"
        write_label(label, [3, 12, 31, 255])
        plan = make_plan(self.name, Request(raw, data))
        with pytest.raises(InputError, match=rf"{label} holds the values \[12, 31\]: expected 0"):
            write_plan(plan, data)

    def test_cut_off_label(self, raw, data):
        downloads.camvid(raw)
        label = raw / "CamVid/testannot/0001TP_002690.png"
        label.write_bytes(label.read_bytes()[:-30])
        with pytest.raises(InputError, match=f"{label}' cannot be read"):
            write_plan(make_plan(self.name, Request(raw, data)), data)

    def test_missing_files(self, raw, data):
        downloads.camvid(raw)
        (raw / "CamVid/trainannot/0001TP_000690.png").unlink()
        (raw / "CamVid/val/0001TP_001690.png").unlink()
        message = r"2 of 6 files are missing: \S*trainannot/0001TP_000690.png, \S*val/0001TP_0016"
        refused(self.name, Request(raw, data), message)
