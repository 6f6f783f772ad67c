"""Tests of the post-hoc scores."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmosr.scores import energy, entropy, max_logit, max_softmax, one_vs_rest
from mmosr.scores.functional import one_vs_rest_loss

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


class TestOneVsRest(ScoreContract):
    name, score = "one_vs_rest", staticmethod(one_vs_rest)

    def reference(self, logits):
        # log(1 + exp(l_k)) of the other classes, log(1 + exp(-l_y)) of the predicted one.
        signed = logits.copy()
        rows = np.arange(len(logits))
        signed[rows, logits.argmax(1)] *= -1
        return np.logaddexp(0, signed).sum(1)

    def test_confident_pixels_keep_their_order(self):
        """Confident of each class on its own: the others must be improbable too."""
        gaps = torch.arange(40, 0, -1).unsqueeze(1)
        scores = one_vs_rest(gaps * torch.tensor([-1.0, -1.0, 1.0, -1.0, -1.0]))
        assert (scores[1:] > scores[:-1]).all()

    def test_by_hand(self):
        """Probabilities 3/4, 1/4 and 1/2 each on its own: -log(3/4 3/4 1/2)."""
        logits = torch.tensor([[math.log(3), -math.log(3), 0.0]])
        assert one_vs_rest(logits).item() == pytest.approx(-math.log(9 / 32))

    def test_loss_by_hand(self):
        """The same with the second class as the label: -log(1/4 1/4 1/2)."""
        logits = torch.tensor([[math.log(3), -math.log(3), 0.0]])
        loss = one_vs_rest_loss(logits, torch.tensor([1]))
        assert loss.item() == pytest.approx(math.log(32))

    def test_loss_is_binary_cross_entropy_of_each_class(self):
        logits = self.logits()
        labels = torch.randint(0, 5, (2, 4, 3), generator=torch.Generator().manual_seed(1))
        targets = F.one_hot(labels, 5).movedim(-1, 1).float()
        expected = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
        loss = one_vs_rest_loss(logits, labels)
        torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
        assert (loss >= one_vs_rest(logits)).all()

    def test_score_is_the_loss_at_the_pseudo_label(self):
        logits = self.logits()
        assert torch.equal(one_vs_rest(logits), one_vs_rest_loss(logits, logits.argmax(1)))

    @pytest.mark.parametrize("gap", [5.0, 25.0, 50.0, 80.0])
    def test_confident_pixels_are_exact(self, gap):
        logits = torch.tensor([[gap, -gap, -gap]])
        expected = 3 * math.log1p(math.exp(-gap))
        assert one_vs_rest(logits).item() == pytest.approx(expected, rel=1e-5)

    def test_gradient(self):
        logits = self.logits().double()[:1, :, :1].requires_grad_()
        labels = torch.tensor([[[0, 3, 4]]])
        assert torch.autograd.gradcheck(lambda z: one_vs_rest_loss(z, labels), logits)


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
