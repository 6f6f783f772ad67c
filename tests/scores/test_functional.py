"""Tests of the post-hoc scores."""

import math

import numpy as np
import pytest
import torch

from mmosr.scores import energy, entropy, max_logit, max_softmax

from .contract import ScoreContract


def numpy_softmax(logits):
    power = np.exp(logits - logits.max(1, keepdims=True))
    return power / power.sum(1, keepdims=True)


class TestMaxSoftmax(ScoreContract):
    name, score = "msp", staticmethod(max_softmax)

    def reference(self, logits):
        # The sum of the others: 1 - p is zero in float64 too when p is near enough to 1.
        return np.sort(numpy_softmax(logits), axis=1)[:, :-1].sum(1)

    def test_confident_pixels_are_exact(self):
        logits = torch.tensor([[gap, 0.0, 0.0] for gap in (5.0, 20.0, 40.0)])
        expected = [2 / (math.exp(gap) + 2) for gap in (5, 20, 40)]
        assert max_softmax(logits).tolist() == pytest.approx(expected, rel=1e-5)

    def test_two_equal_maxima(self):
        logits = torch.tensor([[1.0, 1.0, -1e4]])
        assert max_softmax(logits).tolist() == pytest.approx([0.5])


class TestMaxLogit(ScoreContract):
    name, score = "max_logit", staticmethod(max_logit)

    def reference(self, logits):
        return -logits.max(1)


class TestEntropy(ScoreContract):
    name, score = "entropy", staticmethod(entropy)

    def reference(self, logits):
        shifted = logits - logits.max(1, keepdims=True)
        log_prob = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return -(np.exp(log_prob) * log_prob).sum(1) / math.log(logits.shape[1])


class TestEnergy(ScoreContract):
    name, score = "energy", staticmethod(energy)

    def reference(self, logits):
        return -np.logaddexp.reduce(logits, axis=1)

    def test_temperature(self):
        logits = torch.tensor([[2.0, 0.0]])
        # -2 log(e^1 + e^0)
        assert energy(logits, temperature=2.0).item() == pytest.approx(-2.626523)


def test_by_hand():
    """Probabilities 1/2, 1/4, 1/4."""
    logits = torch.tensor([[math.log(2), 0.0, 0.0]])
    assert max_softmax(logits).item() == pytest.approx(0.5)
    assert max_logit(logits).item() == pytest.approx(-0.693147)
    assert entropy(logits).item() == pytest.approx(1.5 * math.log(2) / math.log(3))
    assert energy(logits).item() == pytest.approx(-math.log(4))


@pytest.mark.parametrize("classes", [2, 19])
def test_uniform_logits(classes):
    logits = torch.full((1, classes), 3.0)
    assert max_softmax(logits).item() == pytest.approx(1 - 1 / classes)
    assert entropy(logits).item() == pytest.approx(1.0)
    assert energy(logits).item() == pytest.approx(-3 - math.log(classes))
