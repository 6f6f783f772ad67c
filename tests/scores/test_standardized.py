"""Tests of the standardized max logits."""

import numpy as np
import pytest
import torch

from mmosr.scores import MapSmoothing, SmoothedMaxLogit, StandardizedMaxLogit, build_score
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
        # The labels do not matter: class 0 is predicted with 4 and 6, class 1 with 1 and 3.
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
    """The same score: the model handles the borders of its map."""

    name = "sml_smooth"

    def test_same_as_without_smoothing(self, fitted):
        plain = StandardizedMaxLogit(CLASSES)
        plain.load_statistics(fitted.statistics())
        assert torch.equal(fitted(self.maps()), plain(self.maps()))

    def test_options(self):
        assert isinstance(self.build(), SmoothedMaxLogit)
        assert build_score(dict(type="sml_smooth", min_std=0.5), CLASSES).min_std == 0.5
        assert MapSmoothing(**self.build().map_options) == MapSmoothing(True, True)
        assert not MapSmoothing(**StandardizedMaxLogit(CLASSES).map_options)
