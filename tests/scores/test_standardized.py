"""Tests of the standardized max logits."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mmosr.scores import SmoothedMaxLogit, StandardizedMaxLogit, build_score
from mmosr.scores.standardized import dilated_smoothing, suppress_boundaries
from mmosr.utils import InputError

from .fitted_contract import CLASSES, FittedRowContract, fit


class TestStandardizedMaxLogit(FittedRowContract):
    name = "sml"

    def test_reference(self, fitted):
        rows = self.rows()[0].double().numpy()
        test = self.maps().movedim(1, -1).flatten(0, -2)
        values = test.double().numpy()
        top, predicted = values.max(1), values.argmax(1)
        expected = np.empty(len(values))
        for index, label in enumerate(predicted):
            known = rows.max(1)[rows.argmax(1) == label]
            expected[index] = -(top[index] - known.mean()) / known.std()
        np.testing.assert_allclose(fitted(test).numpy(), expected, rtol=1e-5, atol=1e-5)

    def test_by_hand(self):
        score = StandardizedMaxLogit(2)
        rows = torch.tensor([[4.0, 0.0], [6.0, 1.0], [0.0, 1.0], [2.0, 3.0]])
        # The labels play no part: class 0 is predicted with 4 and 6, class 1 with 1 and 3.
        fit(score, (rows, torch.tensor([1, 1, 0, 0])))
        assert score.means.tolist() == [5.0, 2.0] and score.stds.tolist() == [1.0, 1.0]
        assert score(torch.tensor([[7.0, 0.0], [0.0, 0.5]])).tolist() == [-2.0, 1.5]

    def test_class_without_predictions_takes_the_pooled_statistics(self):
        score = StandardizedMaxLogit(3)
        score.begin_fit()
        rows = torch.tensor([[1.0, 0, 0], [3.0, 0, 0], [0, 8.0, 0]])
        score.update(rows, torch.zeros(3, dtype=torch.long))
        warning = score.end_fit()
        assert "[1, 2]" in warning
        pooled = np.array([1.0, 3.0, 8.0])
        assert score.means.tolist() == pytest.approx([2, pooled.mean(), pooled.mean()])
        assert score.stds.tolist() == pytest.approx([1, pooled.std(), pooled.std()])

    def test_warns_only_when_needed(self):
        score = self.build()
        score.begin_fit()
        score.update(*self.everything())
        assert score.end_fit() is None

    def test_least_standard_deviation(self):
        score = StandardizedMaxLogit(2, min_std=0.5)
        fit(score, (torch.tensor([[7.1, 0], [7.1, 0], [0, 1], [0, 5]]), torch.zeros(4).long()))
        assert score.stds.tolist() == pytest.approx([0.5, 2.0])
        with pytest.raises(InputError, match="min_std"):
            build_score(dict(type="sml", min_std=0), 2)

    def test_large_mean_and_small_spread(self):
        generator = torch.Generator().manual_seed(0)
        rows = torch.zeros(5000, 2)
        rows[:, 0] = 100 + 0.1 * torch.randn(5000, generator=generator)
        score = StandardizedMaxLogit(2)
        fit(score, *((part, torch.zeros(len(part)).long()) for part in rows.split(7)))
        expected = rows[:, 0].double().numpy().std()
        assert score.stds[0].item() == pytest.approx(expected, rel=1e-7)


class TestSmoothedMaxLogit(FittedRowContract):
    """On maps alone: the tests of rows are those of a score without spatial options."""

    name = "sml_smooth"

    def test_rows_and_maps_agree(self, fitted):
        plain = StandardizedMaxLogit(CLASSES)
        plain.load_statistics(fitted.statistics())
        maps = self.maps()
        expected = dilated_smoothing(suppress_boundaries(plain(maps), maps.argmax(1)))
        assert torch.equal(fitted(maps), expected)
        torch.testing.assert_close(fitted(maps[1:]), fitted(maps)[1:])

    def test_rows_with_gradients(self, fitted):
        maps = self.maps().requires_grad_()
        assert not fitted(maps).requires_grad

    @pytest.mark.parametrize("option", ["boundary_suppression", "smoothing"])
    def test_rows_are_refused(self, option):
        score = build_score({"type": "sml", option: True}, CLASSES)
        fit(score, self.everything())
        assert score(self.maps()).shape == (2, 5, 3)
        for wrong in (self.rows()[0], self.maps().flatten(2)):
            with pytest.raises(InputError, match="need maps"):
                score(wrong)

    def test_options(self):
        assert isinstance(self.build(), SmoothedMaxLogit)
        score = build_score(dict(type="sml_smooth", smoothing=False), CLASSES)
        assert score.boundary_suppression and not score.smoothing


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
