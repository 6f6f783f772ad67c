"""Synthetic outliers, and how they get into pictures and labels."""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mmosr.datasets import PasteOutliers, SeededInfiniteSampler
from mmosr.datasets import synthetic_outliers as synthetic
from mmosr.utils import InputError

KINDS = [*synthetic._SHAPES, *synthetic._TEXTURES]


def scene(size=(48, 80), seed=0):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    label = rng.integers(0, 9, size, dtype=np.uint8)
    label[:4] = 255
    return dict(img=picture, gt_seg_map=label, seg_fields=["gt_seg_map"])


def pasted(seed=0, **options):
    np.random.seed(seed)
    return PasteOutliers(**{"prob": 1.0, **options})(scene())


class TestShapes:
    @pytest.mark.parametrize("shape", synthetic._SHAPES)
    @pytest.mark.parametrize("size", [(4, 9), (24, 24), (40, 17)])
    def test_each_fills_its_box(self, shape, size, monkeypatch):
        monkeypatch.setattr(synthetic, "_SHAPES", (shape,))
        for seed in range(20):
            mask = synthetic.draw_shape(np.random.default_rng(seed), size)
            assert mask.shape == size and mask.dtype == np.float32
            assert mask.min() >= 0 and mask.max() <= 1
            assert 0.08 < mask.mean() < 1.0, "neither nothing nor a whole rectangle"
            for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
                assert side.max() > 0, "it reaches every side of the box"

    def test_they_differ(self):
        masks = [synthetic.draw_shape(np.random.default_rng(seed), (16, 16)) for seed in range(30)]
        assert len({mask.tobytes() for mask in masks}) == 30


class TestTextures:
    @pytest.mark.parametrize("texture", synthetic._TEXTURES)
    def test_finite_colours(self, texture):
        picture = scene()["img"]
        for seed, size in enumerate([(2, 2), (7, 30), (90, 100), (48, 80)]):
            colours = texture(np.random.default_rng(seed), picture, size)
            assert colours.shape == (*size, 3) and np.isfinite(colours).all()

    def test_a_patch_is_of_the_picture(self):
        """In a picture of one colour it has one colour."""
        picture = np.full((30, 40, 3), (10, 120, 60), np.uint8)
        patch = synthetic._patch(np.random.default_rng(0), picture, (12, 9))
        np.testing.assert_allclose(patch, np.broadcast_to(patch[0, 0], patch.shape), atol=1e-3)


class TestPasting:
    @pytest.mark.parametrize("seed", range(25))
    def test_labels_follow_the_picture(self, seed):
        before, after = scene(), pasted(seed, shadow_prob=0.0, max_blur=0.0, max_objects=1)
        label, old = after["gt_seg_map"], before["gt_seg_map"]
        unknown, ignored = label == 254, label == 255
        assert after["img"].dtype == label.dtype == np.uint8
        assert unknown.any() or not (label != old).any()  # it may lie outside
        same = ~unknown & ~ignored
        np.testing.assert_array_equal(label[same], old[same])
        # Nothing outside the object and its ring changes.
        gap = after["img"][same].astype(int) - before["img"][same]
        assert abs(gap).max() <= 0.05 * 300
        changed = (after["img"] != before["img"]).any(-1)
        assert changed[unknown].mean() > 0.9 if unknown.any() else True

    @pytest.mark.parametrize("border", [0, 1, 3])
    def test_the_ring(self, border):
        """All within ``border`` pixels (chessboard) of the object is ignored, and its soft edge."""
        import cv2

        for seed in range(10):
            before = scene()["gt_seg_map"]
            after = pasted(seed, border=border, max_objects=1)["gt_seg_map"]
            unknown = (after == 254).astype(np.uint8)
            near = cv2.dilate(unknown, np.ones((2 * border + 1,) * 2, np.uint8)) > 0
            ring = near & (unknown == 0)
            new = (after == 255) & (before != 255)
            assert (after[ring] == 255).all()
            assert (new & ~ring).sum() < unknown.size / 8

    def test_prob(self):
        for prob, share in ((0.0, 0.0), (1.0, 1.0)):
            found = [(pasted(seed, prob=prob)["gt_seg_map"] == 254).any() for seed in range(20)]
            assert np.mean(found) == pytest.approx(share, abs=0.1)

    def test_heights(self):
        """The extent of single objects that are fully inside is within the range."""
        heights = []
        for seed in range(200):
            label = pasted(seed, height_range=(0.25, 0.5), max_objects=1, border=0)["gt_seg_map"]
            rows = np.flatnonzero((label == 254).any(1))
            if len(rows) and rows[0] > 0 and rows[-1] < 47:
                heights.append(np.ptp(rows) + 1)
        assert len(heights) > 50
        assert min(heights) >= 0.25 * 48 - 3 and max(heights) <= 0.5 * 48
        assert np.median(heights) == pytest.approx(48 * 0.25 * 2**0.5, abs=2.5)  # log scale

    def test_matching_takes_the_mean_colour_below(self):
        options = dict(max_objects=1, shadow_prob=0.0, max_blur=0.0, border=0)
        gaps = {}
        for match in (0.0, 1.0):
            found = []
            for seed in range(40):
                np.random.seed(seed)
                before = scene()
                before["img"][:] = 120
                after = PasteOutliers(prob=1.0, match_prob=match, **options)(before)
                unknown = after["gt_seg_map"] == 254
                if unknown.sum() > 30:
                    found.append(abs(after["img"][unknown].mean(0) - 120).mean())
            gaps[match] = np.median(found)
        assert gaps[1.0] < 8 < gaps[0.0]

    def test_the_sample_given_is_not_changed(self):
        before = scene()
        copy = {key: before[key].copy() for key in ("img", "gt_seg_map")}
        np.random.seed(0)
        PasteOutliers(prob=1.0)(dict(before))
        for key, value in copy.items():
            np.testing.assert_array_equal(before[key], value)

    def test_any_size(self):
        for size in ((2, 2), (5, 300), (300, 5)):
            np.random.seed(0)
            found = PasteOutliers(prob=1.0)(scene(size))
            assert found["gt_seg_map"].shape == size and found["img"].shape == (*size, 3)


class Scenes(torch.utils.data.Dataset):
    """Scenes with a pipeline that seeds each draw, as in training."""

    def __init__(self):
        init_default_scope("mmseg")
        self.steps = Compose([dict(type="mmosr.SeedDraw"), dict(type="mmosr.PasteOutliers")])

    def __len__(self):
        return 5

    def __getitem__(self, index):
        found = self.steps(dict(scene(seed=int(index)), sample_idx=index))
        return found["img"], found["gt_seg_map"]


def test_the_same_objects_with_any_number_of_workers():
    data, drawn = Scenes(), []
    for workers in (0, 2):
        sampler = SeededInfiniteSampler(data, seed=3)
        batches = iter(DataLoader(data, batch_size=4, sampler=sampler, num_workers=workers))
        drawn.append([next(batches) for _ in range(3)])
    for own, other in zip(*drawn, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
    pictures = [batch[0] for batch in drawn[0]]
    assert not torch.equal(pictures[0], pictures[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(prob=1.5), "prob must lie in"),
        (dict(match_prob=-0.1), "match_prob must lie in"),
        (dict(height_range=(0.5, 0.1)), "height_range needs 0 < LO <= HI"),
        (dict(aspect_range=(0, 1)), "aspect_range needs"),
        (dict(height_range=(0.5,)), "height_range needs"),
        (dict(max_objects=0), "max_objects must be at least 1"),
        (dict(border=-1), "border must be at least 0"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(InputError, match=message):
        PasteOutliers(**options)


def test_without_labels():
    with pytest.raises(InputError, match="put it after LoadOpenSetAnnotations"):
        PasteOutliers()(dict(img=scene()["img"]))
