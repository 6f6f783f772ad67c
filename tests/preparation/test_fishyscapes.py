"""Both Fishyscapes sets; their downloads have no images."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from mmosr.preparation import Request, Summary, make_plan, write_plan
from mmosr.preparation.plan import Output, Plan

from . import downloads
from .downloads import SIZE, snapshot, write_picture
from .support import pairs_of, prepare, refused, targets

LOAD = dict(type="LoadImageFromFile")


class TestFishyscapesLostAndFound:
    name = "fishyscapes_lost_and_found"
    names = ("0000_01_Some_Street_a_000000_000030", "0001_04_Some_Street_d_000000_000030")

    @pytest.fixture
    def base(self, tmp_path):
        return downloads.lost_and_found(tmp_path / "lost_and_found")

    def test_images_of_both_splits(self, raw, data, base, mmseg_scope):
        downloads.fishyscapes_lost_and_found(raw)
        before = snapshot(raw), snapshot(base)
        content = prepare(self.name, raw, data, images=base)
        assert (snapshot(raw), snapshot(base)) == before
        ids = [name[5:] for name in self.names]
        images = [
            base / "leftImg8bit" / split / f"street_{letter}" / f"{ident}_leftImg8bit.png"
            for split, letter, ident in zip(("test", "train"), "ad", ids, strict=True)
        ]
        assert targets(data) == {
            **{f"labels/{n}.png": str(raw / f"{n}_labels.png") for n in self.names},
            **{f"original/{n}.png": str(i) for n, i in zip(self.names, images, strict=True)},
        }
        assert content["outputs"][f"original/{self.names[1]}.png"]["sources"] == [
            f"../lost_and_found/leftImg8bit/train/street_d/{ids[1]}_leftImg8bit.png"
        ]
        assert pairs_of(self.name, data) == [
            (data / "original" / f"{n}.png", data / "labels" / f"{n}.png") for n in self.names
        ]

    def test_folder_of_the_images_itself(self, raw, data, base):
        downloads.fishyscapes_lost_and_found(raw)
        assert len(prepare(self.name, raw, data, images=base / "leftImg8bit")["outputs"]) == 4

    def test_missing_images(self, raw, data, base):
        downloads.fishyscapes_lost_and_found(raw)
        for path in (base / "leftImg8bit" / "train").rglob("*_d_*.png"):
            path.unlink()
        message = (
            "1 of 2 label files have no image: expected .*04_Some_Street_d_000000_000030.*"
            "of all splits"
        )
        refused(self.name, Request(raw, data, images=base), message)

    def test_no_labels(self, raw, data, base):
        raw.mkdir()
        refused(self.name, Request(raw, data, images=base), "has no label files")

    def test_images_must_be_given(self, raw, data):
        downloads.fishyscapes_lost_and_found(raw)
        refused(self.name, Request(raw, data), f"{self.name} needs --images")


class TestFishyscapesStatic:
    name = "fishyscapes_static"

    @pytest.fixture
    def cityscapes(self, tmp_path):
        return tmp_path / "cityscapes"

    @pytest.mark.parametrize("version", [1, 2, 3])
    def test_composed_images(self, raw, data, cityscapes, version, mmseg_scope):
        wanted = downloads.fishyscapes_static(raw, cityscapes)
        before = snapshot(raw), snapshot(cityscapes)
        content = prepare(self.name, raw, data, images=cityscapes, version=version)
        assert (snapshot(raw), snapshot(cityscapes)) == before
        links = {}
        for name in wanted:
            stem, image = name[: -len(".png")], f"{name[5:-4]}_leftImg8bit.png"
            links[f"leftImg8bit/{image}"] = str(cityscapes / "leftImg8bit/val/frankfurt" / image)
            for kind in ("labels.png", "rgb.npz"):
                links[f"{stem}_{kind}"] = str(raw / f"{stem}_{kind}")
        assert targets(data) == links
        assert (data / "VERSION.json").read_text() == f'{{"version": {version}}}\n'
        assert content["options"] == content["dataset"] == {"version": version}
        for loaded, picture in zip(self.loaded(data, version), wanted.values(), strict=True):
            np.testing.assert_array_equal(loaded, picture)

    def loaded(self, data, version):
        """The images of the benchmark as a pipeline loads them, RGB."""
        config = Config.fromfile(f"configs/_base_/benchmarks/{self.name}.py").benchmark.dataset
        options = dict(data_root=str(data), version=version, pipeline=[LOAD], test_mode=True)
        dataset = DATASETS.build({**config, **options})
        return [dataset[index]["img"][..., ::-1] for index in range(len(dataset))]

    def test_sums_are_clipped(self, raw, data, cityscapes, mmseg_scope):
        downloads.fishyscapes_static(raw, cityscapes)
        ident = "frankfurt_000000_000294"
        base = cityscapes / "leftImg8bit/val/frankfurt" / f"{ident}_leftImg8bit.png"
        picture = np.zeros((*SIZE, 3), np.uint8)
        picture[...] = (200, 10, 100)
        assert cv2.imwrite(str(base), picture[..., ::-1])
        overlay = np.zeros((*SIZE, 3), np.int16)
        overlay[0, 0] = (100, -100, 7)
        np.savez(raw / f"0000_{ident}_rgb.npz", rgb=overlay)
        prepare(self.name, raw, data, images=cityscapes, version=1)
        composed = self.loaded(data, 1)[0]
        assert composed[0, 0].tolist() == [255, 0, 107]
        assert (composed[1:] == (200, 10, 100)).all()

    def test_folder_of_composed_images_is_replaced(self, raw, data, cityscapes):
        """As it was made before overlays were added while loading."""
        downloads.fishyscapes_static(raw, cityscapes)
        label = next(raw.glob("0000_*_labels.png"))
        outputs = [
            Output("original/a.png", (label,), "image plus overlay", lambda p: write_picture(p, 0)),
            Output("labels/a.png", (label,)),
        ]
        write_plan(Plan(self.name, raw, tuple(outputs)), data)
        request = Request(raw, data, images=cityscapes, version=3)
        assert write_plan(make_plan(self.name, request), data) == Summary(7, 0, 2)
        assert sorted(
            path.name for path in data.iterdir() if path.is_dir() and any(path.iterdir())
        ) == ["leftImg8bit"]

    def test_another_version_is_made_anew(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        prepare(self.name, raw, data, images=cityscapes, version=2)
        request = Request(raw, data, images=cityscapes, version=3)
        assert write_plan(make_plan(self.name, request), data) == Summary(1, 6, 0)
        assert (data / "VERSION.json").read_text() == '{"version": 3}\n'

    def test_missing_images_are_all_named(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        for path in list(cityscapes.rglob("frankfurt_*.png")):
            path.unlink()
        message = (
            "2 of 2 label files have no image: expected .*frankfurt_000000_000294_leftImg8bit.*, "
            ".*frankfurt_000001_000294_leftImg8bit.*: add the images of all splits of Cityscapes"
        )
        refused(self.name, Request(raw, data, images=cityscapes, version=3), message)

    def test_missing_overlay(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        next(raw.glob("0000_*.npz")).unlink()
        message = "0000_frankfurt_000000_000294_labels.png needs one overlay 0000_.*, found none"
        refused(self.name, Request(raw, data, images=cityscapes, version=3), message)

    def test_two_overlays_of_a_label(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        (raw / "old").mkdir()
        (raw / "old" / "0000_frankfurt_rgb.npz").write_bytes(b"")
        request = Request(raw, data, images=cityscapes, version=3)
        refused(self.name, request, "0000_.*_labels.png needs one overlay .*, found .* and .*old")

    def test_image_twice(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        write_picture(cityscapes / "leftImg8bit/test/x/frankfurt_000001_000294_leftImg8bit.png")
        request = Request(raw, data, images=cityscapes, version=3)
        refused(self.name, request, "has more than one image, .*test.* and .*val.*: keep one")

    def test_version_must_be_given(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        refused(self.name, Request(raw, data, images=cityscapes), f"{self.name} needs --version")
        request = Request(raw, data, images=cityscapes, version=4)
        refused(self.name, request, "version=4: choose from 1, 2, 3")

    def test_no_labels(self, raw, data, cityscapes):
        downloads.fishyscapes_static(raw, cityscapes)
        request = Request(cityscapes, data, images=cityscapes, version=3)
        refused(self.name, request, "holds no NNNN_ID_labels.png .*fs_val_v3.zip")
