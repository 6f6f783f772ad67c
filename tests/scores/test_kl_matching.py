"""Tests of KL matching."""

import math

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from mmosr.scores import KLMatching

from .fitted_contract import FittedRowContract, fit


class TestKLMatching(FittedRowContract):
    name = "kl_matching"

    def test_reference(self, fitted):
        rows = softmax(self.rows()[0].double().numpy(), axis=1)
        templates = np.stack([rows[rows.argmax(1) == k].mean(0) for k in range(4)])
        test = self.maps().movedim(1, -1).flatten(0, -2)
        prob = softmax(test.double().numpy(), axis=1)
        divergence = rel_entr(prob[:, None], templates[None]).sum(2)
        np.testing.assert_allclose(fitted(test).numpy(), divergence.min(1), rtol=1e-5, atol=1e-6)

    def test_by_hand(self):
        """Templates (3/4, 1/4) and (1/4, 3/4); the posterior (1/2, 1/2)."""
        score = KLMatching(2)
        logits = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(3.0)]])
        fit(score, (logits, torch.tensor([1, 1])))
        expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
        found = score(torch.tensor([[5.0, 5.0], [math.log(3.0), 0.0]]))
        assert found.tolist() == pytest.approx([expected, 0.0], abs=1e-6)

    def test_one_hot_posteriors(self):
        """No NaN from 0 log 0, neither in the posterior nor in the templates."""
        score = KLMatching(3)
        fit(score, (1e4 * torch.eye(3), torch.arange(3)))
        found = score(torch.cat([1e4 * torch.eye(3), torch.zeros(1, 3)]))
        assert found[:3].tolist() == [0.0, 0.0, 0.0]
        # log of the bound, 2.2e-308, for each of two classes, and the entropy.
        expected = -math.log(3) + 2 / 3 * 708.396418
        assert found[3].item() == pytest.approx(expected, rel=1e-6)
        assert torch.equal(found, score(torch.cat([1e5 * torch.eye(3), torch.zeros(1, 3)])))

    def test_class_without_predictions_is_left_out(self):
        score = KLMatching(3)
        score.begin_fit()
        logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
        score.update(logits, torch.tensor([2, 2]))
        assert "[2]" in score.end_fit()
        templates = softmax(logits.double().numpy(), axis=1)
        prob = softmax(np.array([0.0, 0.0, 3.0]))
        expected = rel_entr(prob, templates).sum(1).min()
        assert score(torch.tensor([[0.0, 0.0, 3.0]])).item() == pytest.approx(expected, rel=1e-5)

    def test_warns_only_when_needed(self):
        score = self.build()
        score.begin_fit()
        score.update(*self.everything())
        assert score.end_fit() is None

    def test_shift_of_the_logits_does_not_matter(self, fitted):
        maps = self.maps()
        torch.testing.assert_close(fitted(maps + 50), fitted(maps), rtol=1e-4, atol=1e-4)
