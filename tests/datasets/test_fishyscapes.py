"""Both validation sets of Fishyscapes, in every layout."""

import io
import json

import numpy as np
import pytest

from mmosr.datasets import FishyscapesStaticDataset
from mmosr.datasets.fishyscapes import AddFishyscapesOverlay, compose_static
from mmosr.utils import InputError

from .anomaly_contract import NAMES, SIZE, AnomalyContract, write_picture
from .contract import LOAD, write_label

VALUES = {0: 0, 1: 254, 255: 255}


class LostAndFoundContract(AnomalyContract):
    type = "mmosr.FishyscapesLostAndFoundDataset"
    values = VALUES


class TestOfficial(LostAndFoundContract):
    """Only labels, with Lost and Found next to them."""

    layout = "official"
    label = "000{index}_{name}_labels.png"

    def label_path(self, root, name):
        # Numbered against the order of the ids.
        index = NAMES.index(name) if name in NAMES else 9
        return root / self.label.format(index=index, name=name)

    def image_path(self, root, name, suffix=None):
        split = "train" if name == NAMES[1] else "test"
        name = f"{name}_leftImg8bit{suffix or self.suffix}"
        return root.parent / "lost_and_found" / "leftImg8bit" / split / "04_Street" / name

    def test_images_of_one_split_alone(self, root):
        self.image_path(root, NAMES[1]).unlink()
        self.fails(root, "1 of 3 label files .*of all splits")

    def test_images_are_missing(self, root):
        (root.parent / "lost_and_found").rename(root.parent / "laf")
        self.fails(root, "images of Lost and Found are missing: '.*lost_and_found/leftImg8bit'")
        for folder in ("laf", "laf/leftImg8bit"):
            dataset = self.build(root, lost_and_found=root.parent / folder)
            assert (dataset[2]["inputs"] == 100).all()

    def test_images_in_the_same_folder(self, root):
        (root.parent / "lost_and_found" / "leftImg8bit").rename(root / "leftImg8bit")
        dataset = self.build(root)
        assert len(dataset) == 3 and (dataset[1]["inputs"] == 60).all()

    def test_labels_in_a_folder(self, root):
        for folder in ("labels", "fishyscapes_lostandfound"):
            (root / folder).mkdir()
            for path in list(root.rglob("*_labels.png")):
                path.rename(root / folder / path.name)
            assert len(self.build(root)) == 3

    def test_two_labels_of_one_image(self, root):
        write_label(root / "copy" / f"0007_{NAMES[0]}_labels.png", np.zeros(SIZE, np.uint8))
        self.fails(root, f"0000_{NAMES[0]}_labels.png and .*0007_.* label the same image")

    def test_image_in_both_splits(self, root):
        path = self.image_path(root, NAMES[1])
        write_picture(path.parents[2] / "test" / "x" / path.name, 1)
        self.fails(root, "has more than one image")

    def test_labels_of_another_name(self, root):
        write_label(root / "mean_labels.png", np.full(SIZE, 77, np.uint8))
        assert len(self.build(root)) == 3

    def test_re_packed_tree_beside_the_labels(self, root):
        write_picture(root / "original" / "a.png", 0)
        write_label(root / "labels" / "a.png", np.zeros(SIZE, np.uint8))
        self.fails(root, r"in the layouts official and original\+labels: choose one")
        assert len(self.build(root, layout="official")) == 3


class TestRepacked(LostAndFoundContract):
    layout = "original+labels"
    image = "original/{name}{suffix}"
    label = "labels/{name}.png"


class TestCityscapesTree(LostAndFoundContract):
    layout = "cityscapes"
    image = "leftImg8bit/val/{name}_leftImg8bit{suffix}"
    label = "gtFine/val/{name}_gtFine_labelTrainIds.png"


class StaticContract(AnomalyContract):
    type = "mmosr.FishyscapesStaticDataset"
    values = VALUES
    options = dict(version=3)

    def finish(self, root):
        self.write_version(root, {"version": 3})

    def write_version(self, root, content):
        (root / "VERSION.json").write_text(json.dumps(content))

    def test_version_is_told(self, root):
        assert self.build(root).version == 3
        with pytest.raises(TypeError, match="version"):
            FishyscapesStaticDataset(root)

    @pytest.mark.parametrize("found", [{"version": 2}, {"version": "3"}, {}, [3]])
    def test_another_version(self, root, found):
        self.write_version(root, found)
        value = found.get("version") if isinstance(found, dict) else None
        self.fails(root, f"VERSION.json states version {value}, but version 3 is requested")

    def test_version_is_missing(self, root):
        (root / "VERSION.json").unlink()
        self.fails(root, r"VERSION.json is missing.*prepare.py fishyscapes_static .*--version 3")

    def test_version_is_broken(self, root):
        (root / "VERSION.json").write_text("3;")
        self.fails(root, "VERSION.json cannot be read as JSON")


class TestStatic(StaticContract):
    layout = "original+labels"
    image = "original/{name}{suffix}"
    label = "labels/{name}.png"


class TestStaticSideBySide(StaticContract):
    layout = "beside"
    image = "{name}_rgb{suffix}"
    label = "{name}_labels.png"


class TestStaticOverlays(StaticContract):
    """Labels, overlays and the images of Cityscapes, as prepare.py puts them together."""

    layout = "official"
    label = "000{index}_{name}_labels.png"

    def label_path(self, root, name):
        index = NAMES.index(name) if name in NAMES else 9
        return root / self.label.format(index=index, name=name)

    def overlay_path(self, root, name):
        label = self.label_path(root, name)
        return label.with_name(label.name.replace("labels.png", "rgb.npz"))

    def image_path(self, root, name, suffix=None):
        return root / "leftImg8bit" / f"{name}_leftImg8bit{suffix or self.suffix}"

    def finish(self, root):
        super().finish(root)
        for name in NAMES:
            np.savez_compressed(self.overlay_path(root, name), rgb=np.zeros((*SIZE, 3), np.int16))

    def overlay(self):
        """Differences of every kind; some lead outside 0 .. 255."""
        return np.random.default_rng(5).integers(-255, 256, (*SIZE, 3), dtype=np.int16)

    def test_objects_are_added_as_soon_as_the_image_is_loaded(self, root):
        np.savez(self.overlay_path(root, NAMES[1]), rgb=self.overlay())
        expected = np.clip(60 + self.overlay().astype(int), 0, 255)[..., ::-1]  # BGR
        for options in ({}, {"to_float32": True}):
            load = dict(type="LoadImageFromFile", **options)
            dataset = self.build(root, pipeline=[load, *LOAD[1:]])
            assert dataset.get_data_info(1)["overlay_path"] == str(
                self.overlay_path(root, NAMES[1])
            )
            inputs = dataset[1]["inputs"].numpy()
            np.testing.assert_array_equal(inputs, expected.transpose(2, 0, 1))
            assert inputs.dtype == (np.float32 if options else np.uint8)
        assert (self.build(root)[0]["inputs"] == 20).all()

    @pytest.mark.parametrize("number", ["", "0001_extra"])
    def test_one_overlay_for_each_label(self, root, number):
        path = self.overlay_path(root, NAMES[1])
        if number:
            (root / "old").mkdir()
            path = root / "old" / f"{number}_rgb.npz"
            path.write_bytes(b"")
            self.fails(root, f"0001_.*_labels.png needs one overlay 0001_.*found .* and {path}")
        else:
            path.unlink()
            self.fails(root, "0001_.*_labels.png needs one overlay 0001_.*_rgb.npz, found none")

    def test_without_overlays_the_layout_is_another(self, root):
        for name in NAMES:
            self.overlay_path(root, name).unlink()
            write_picture(root / self.label_path(root, name).name.replace("labels", "rgb"), 0)
        assert self.build(root).layout == "beside"

    def test_composed_images_beside_their_overlays(self, root):
        for name in NAMES:
            path = self.label_path(root, name)
            write_picture(path.with_name(path.name.replace("labels", "rgb")), 5)
        for options in ({}, {"layout": "beside"}):
            dataset = self.build(root, **options)
            assert dataset.layout == "beside" and (dataset[1]["inputs"] == 220).all()
        dataset = self.build(root, layout="official")
        assert dataset.layout == "official" and "overlay_path" in dataset.get_data_info(0)

    def test_images_of_cityscapes(self, root):
        (root / "leftImg8bit").rename(root.parent / "leftImg8bit")
        self.fails(root, "images of Cityscapes are missing: '.*/cityscapes/leftImg8bit'")
        assert len(self.build(root, cityscapes=root.parent)) == 3

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda path: path.write_bytes(b"no archive"),
            lambda path: path.write_bytes(path.read_bytes()[:-40]),
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(_array_alone()),
            lambda path: np.savez(path, image=np.zeros(3)),
            lambda path: np.savez(path, rgb=np.array([None])),
            lambda path: np.savez(path, rgb=np.zeros((2, 2, 3), np.int16)),
        ],
    )
    def test_broken_overlay(self, root, spoil):
        path = self.overlay_path(root, NAMES[1])
        np.savez_compressed(path, rgb=self.overlay())
        spoil(path)
        with pytest.raises(InputError, match=f"overlay {path}"):
            self.build(root)[1]

    def test_the_step_may_be_in_the_pipeline_already(self, root):
        np.savez(self.overlay_path(root, NAMES[1]), rgb=np.full((*SIZE, 3), 11, np.int16))
        steps = [LOAD[0], dict(type="mmosr.AddFishyscapesOverlay"), *LOAD[1:]]
        once, twice = self.build(root)[1]["inputs"], self.build(root, pipeline=steps)[1]["inputs"]
        np.testing.assert_array_equal(twice, once)

    def test_the_first_step_has_to_load_the_image(self, root):
        dataset = self.build(root, pipeline=LOAD[1:])
        with pytest.raises(InputError, match="the first step of the pipeline loads no image"):
            dataset[0]


def _array_alone():
    content = io.BytesIO()
    np.save(content, np.zeros((*SIZE, 3), np.int16))
    return content.getvalue()


def test_items_without_an_overlay_stay():
    image = np.full((*SIZE, 3), 7, np.uint8)
    assert AddFishyscapesOverlay().transform(dict(img=image))["img"] is image


def test_download_of_static_is_refused(tmp_path):
    name = "0003_frankfurt_000001_034047"
    np.savez_compressed(tmp_path / f"{name}_rgb.npz", rgb=np.zeros((*SIZE, 3), np.int16))
    write_label(tmp_path / f"{name}_labels.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError) as caught:
        FishyscapesStaticDataset(tmp_path, version=2)
    assert str(caught.value) == (
        f"FishyscapesStaticDataset: {tmp_path / 'VERSION.json'} is missing, so the version of the "
        "data is not known: run python tools/dataset_converters/prepare.py fishyscapes_static SRC "
        'DST --version 2, or write {"version": V} there for a download or a re-packed tree; '
        "see docs/data.md"
    )


@pytest.mark.parametrize("version", [0, 4, "3", None, 2.5])
def test_versions_that_do_not_exist(version):
    with pytest.raises(InputError, match=f"version={version!r}: choose from 1, 2, 3"):
        FishyscapesStaticDataset("x", version=version)


class TestComposeStatic:
    @pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32])
    def test_values(self, dtype):
        image = np.uint8([[[0, 100, 200], [255, 128, 10]]])
        overlay = np.array([[[0, -30, 55], [-255, 127, -10]]], dtype)
        composed = compose_static(image, overlay)
        assert composed.dtype == np.uint8
        assert composed.tolist() == [[[0, 70, 255], [0, 255, 0]]]

    def test_sums_are_clipped_and_do_not_wrap_around(self):
        image = np.uint8([[[250, 5, 128]]])
        assert compose_static(image, np.int16([[[10, -10, 127]]])).tolist() == [[[255, 0, 255]]]
        assert compose_static(image, np.int16([[[255, -255, 0]]])).tolist() == [[[255, 0, 128]]]

    def test_every_difference_gives_the_wanted_colour(self):
        """Wanted colour minus image, as the overlays were made, gives the wanted colour back."""
        generator = np.random.default_rng(0)
        image, wanted = generator.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        overlay = wanted.astype(np.int16) - image.astype(np.int16)
        np.testing.assert_array_equal(compose_static(image, overlay), wanted)
        np.testing.assert_array_equal(compose_static(image, 0 * overlay), image)

    def test_image_is_not_changed(self):
        image, overlay = np.full((*SIZE, 3), 9, np.uint8), np.full((*SIZE, 3), 3, np.int16)
        compose_static(image, overlay)
        assert (image == 9).all() and (overlay == 3).all()

    def test_wrong_arrays(self):
        image, overlay = np.zeros((*SIZE, 3), np.uint8), np.zeros((*SIZE, 3), np.int16)
        for wrong in (image[..., 0], image[..., :2], image.astype(np.float32)):
            with pytest.raises(InputError, match=r"the image is .*expected uint8 \(H, W, 3\)"):
                compose_static(wrong, overlay)
        for wrong in (overlay[..., :1], overlay[:6], overlay.astype(object)):
            with pytest.raises(InputError, match="expected the overlay of the same Cityscapes"):
                compose_static(image, wrong)
