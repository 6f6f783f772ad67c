"""Tests of what is done to finished maps of scores."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mmosr.scores import MapSmoothing
from mmosr.scores.map_smoothing import dilated_smoothing, suppress_boundaries


def reference_suppression(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pixel by pixel, of one map."""
    height, width = labels.shape
    pixels = [(h, w) for h in range(height) for w in range(width)]
    for radius in (4, 3, 2, 1):
        boundary = {
            (h, w)
            for h, w in pixels
            for i, j in pixels
            if abs(h - i) + abs(w - j) <= radius and labels[h, w] != labels[i, j]
        }
        new = scores.copy()
        for h, w in boundary:
            near = [
                scores[i, j]
                for i, j in pixels
                if max(abs(h - i), abs(w - j)) <= 1 and (i, j) not in boundary
            ]
            if near:
                new[h, w] = np.mean(near)
        scores = new
    return scores


class TestSuppression:
    def test_by_hand(self):
        """A border between columns 5 and 6: each side takes the value of its column 4 or 7 away."""
        labels = torch.zeros(1, 3, 12, dtype=torch.long)
        labels[..., 6:] = 1
        scores = torch.arange(12.0).expand(1, 3, 12).clone()
        # Columns 2-5 and 6-9 are within 4 steps of the other class; 1 and 10 are the last outside.
        expected = torch.tensor([0.0, 1, 1, 1, 1, 1, 10, 10, 10, 10, 10, 11])
        torch.testing.assert_close(suppress_boundaries(scores, labels)[0], expected.expand(3, 12))

    @pytest.mark.parametrize("seed", range(3))
    def test_reference(self, seed):
        generator = np.random.default_rng(seed)
        # Large regions with a few single pixels of another class.
        labels = ndimage.zoom(generator.integers(0, 3, (2, 3)), 9, order=0)
        labels[4, 20], labels[15, 2] = 5, 5
        scores = generator.normal(size=labels.shape)
        found = suppress_boundaries(torch.tensor(scores)[None], torch.tensor(labels)[None])[0]
        np.testing.assert_allclose(found.numpy(), reference_suppression(scores, labels), rtol=1e-12)

    def test_without_a_border_nothing_changes(self):
        scores = torch.randn(2, 9, 7, generator=torch.Generator().manual_seed(0))
        labels = torch.stack([torch.zeros(9, 7), torch.ones(9, 7)]).long()
        assert torch.equal(suppress_boundaries(scores, labels), scores)

    def test_pixels_without_certain_neighbours_keep_their_value(self):
        labels = torch.arange(12).reshape(1, 3, 4)
        scores = torch.randn(1, 3, 4)
        assert torch.equal(suppress_boundaries(scores, labels), scores)

    def test_constant_maps_stay(self):
        labels = torch.randint(0, 2, (2, 30, 40), generator=torch.Generator().manual_seed(0))
        labels[:, 10:] = 1
        scores = torch.full((2, 30, 40), -3.7)
        torch.testing.assert_close(suppress_boundaries(scores, labels), scores, rtol=1e-6, atol=0)


class TestSmoothing:
    @pytest.mark.parametrize("size", [(60, 45), (20, 50), (3, 4), (1, 1)])
    def test_reference(self, size):
        scores = np.random.default_rng(0).normal(size=(2, *size))
        steps = np.arange(-3, 4)
        kernel = np.zeros((37, 37))
        kernel[::6, ::6] = np.exp(-0.5 * (steps[:, None] ** 2 + steps**2))
        expected = [
            ndimage.convolve(one, kernel, mode="constant")
            / ndimage.convolve(np.ones(size), kernel, mode="constant")
            for one in scores
        ]
        found = dilated_smoothing(torch.tensor(scores))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-9)

    def test_one_pixel_by_hand(self):
        scores = torch.zeros(1, 73, 73)
        scores[0, 36, 36] = 1
        smooth = dilated_smoothing(scores)[0]
        weights = np.exp(-0.5 * np.arange(-3, 4) ** 2)
        weights /= weights.sum()
        torch.testing.assert_close(smooth[18:55:6, 36], torch.tensor(weights * weights[3]).float())
        assert smooth[37, 36] == 0 and smooth[36, 55] == 0
        assert smooth.count_nonzero() == 49 and smooth.sum().item() == pytest.approx(1)

    def test_constant_maps_stay(self):
        scores = torch.full((1, 50, 23), 12.3)
        torch.testing.assert_close(dilated_smoothing(scores), scores, rtol=1e-6, atol=0)


class TestMapSmoothing:
    @pytest.fixture
    def case(self):
        """Scores, and predicted classes in large regions, of two images."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(0, 3, (2, 4, 5), generator=generator)
        labels = labels.repeat_interleave(11, 1).repeat_interleave(9, 2)
        return torch.randn(2, 44, 45, generator=generator), labels

    def test_suppression_comes_first(self, case):
        scores, labels = case
        expected = dilated_smoothing(suppress_boundaries(scores, labels))
        assert torch.equal(MapSmoothing(True, True)(scores, labels), expected)
        assert not torch.allclose(suppress_boundaries(dilated_smoothing(scores), labels), expected)

    def test_each_alone(self, case):
        suppressed = MapSmoothing(boundary_suppression=True)(*case)
        assert torch.equal(suppressed, suppress_boundaries(*case))
        assert torch.equal(MapSmoothing(smoothing=True)(*case), dilated_smoothing(case[0]))

    def test_neither(self, case):
        assert MapSmoothing()(*case) is case[0]
        assert not MapSmoothing() and MapSmoothing(smoothing=True) and MapSmoothing(True)

    def test_float32_under_autocast(self, case):
        expected = MapSmoothing(True, True)(*case)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(MapSmoothing(True, True)(*case), expected)

    def test_images_of_a_batch_are_apart(self, case):
        both = MapSmoothing(True, True)(*case)
        assert torch.equal(both[1:], MapSmoothing(True, True)(*(part[1:] for part in case)))

    @pytest.mark.parametrize("value", [1, "True", None, dict(radius=3)])
    def test_neither_true_nor_false(self, value):
        with pytest.raises(ValueError, match="smoothing is True or False, got"):
            MapSmoothing(smoothing=value)
