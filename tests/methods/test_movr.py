"""Tests of marginal one-vs-rest learning: the margin, the loss and the scores by value."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mmosr.methods import CosineClassifier, MOvRLoss
from mmosr.registry import MODELS

from .contract import ClassifierContract
from .loss_contract import LossContract


class TestCosineContract(ClassifierContract):
    def make(self):
        return CosineClassifier(self.in_channels, self.num_classes)

    def near_and_far(self, classifier):
        with torch.no_grad():
            classifier.prototypes.copy_(torch.eye(self.num_classes, self.in_channels))
        near, far = torch.eye(self.in_channels)[[0, -1]].unsqueeze(1)
        return {"movr": (near, far), "max_cosine": (near, far)}


def turn(cosine: np.ndarray, margin: float) -> np.ndarray:
    """Eq. 24 to the letter; where the angle exceeds pi, a line that continues downwards."""
    angle = np.arccos(cosine) + margin
    return np.where(angle < np.pi, np.cos(angle), cosine + np.cos(margin) - 1)


def one_vs_rest(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``-log p_y - sum_{k != y} log(1 - p_k)`` with sigmoids."""
    signs = np.ones_like(logits)
    signs[np.arange(len(labels)), labels] = -1
    return np.logaddexp(0, signs * logits).sum(1)


class TestLossContract(LossContract):
    margin, signed = 0.5, True

    def make(self, **settings):
        return MOvRLoss(margin=self.margin, **settings)

    def class_scores(self, scale=30.0):
        """Within ``[-32, 32]``."""
        return super().class_scores(scale)

    def reference(self, class_scores, labels):
        return one_vs_rest(32 * turn(class_scores / 32, self.margin), labels)


class TestLossContractSmallMargin(TestLossContract):
    margin = 0.15


class TestLossContractNoMargin(TestLossContract):
    margin = 0.0

    def reference(self, class_scores, labels):
        return one_vs_rest(class_scores, labels)


class TestLossByHand:
    # T = 4; cosines of 60, 90 and 120 degrees, turned by 30: cosines of 90, 120 and 150.
    SCORES = torch.tensor([[2.0, 0.0, -2.0]]).double()

    def test_margin_on_every_pair(self):
        # T s = 0, -2, -3.464102; softplus of x and of -x: 0.693147, 0.126928 and 2.126928,
        # 0.030821 and 3.494923. Own class by softplus(-x), the others by softplus(x).
        expected = [
            0.693147 + 0.126928 + 0.030821,
            0.693147 + 2.126928 + 0.030821,
            0.693147 + 0.126928 + 3.494923,
        ]
        for label, value in enumerate(expected):
            loss = MOvRLoss(margin=math.pi / 6, scale=4.0)(self.SCORES, torch.tensor([label]))
            assert loss.item() == pytest.approx(value, abs=2e-6)

    def test_without_margin(self):
        # x = 2, 0, -2: softplus(-2) + softplus(0) + softplus(-2) = 0.126928 2 + 0.693147
        loss = MOvRLoss(margin=0.0, scale=4.0)(self.SCORES, torch.tensor([0])).item()
        assert loss == pytest.approx(0.947003, abs=2e-6)

    def test_a_negative_carries_the_margin_too(self):
        """With the margin on its own class only, the others would cost what they cost without."""
        others = torch.tensor([[-4.0, 2.0, 1.0]]).double()
        costs = []
        for margin in (0.0, 0.3, 0.6):
            own = math.cos(math.pi - margin) * 4  # cancels the margin of the own class
            scores = others.clone()
            scores[0, 0] = own
            costs.append(MOvRLoss(margin=margin, scale=4.0)(scores, torch.tensor([0])).item())
        assert costs[0] > costs[1] + 0.1 > costs[2] + 0.2

    def test_a_confident_wrong_class_costs(self):
        """By eq. 23 as printed, only the own class would count."""
        right = torch.tensor([[32.0, -32.0, -32.0]])
        wrong = torch.tensor([[32.0, 32.0, -32.0]])
        for margin in (0.0, 0.5):
            loss, label = MOvRLoss(margin=margin), torch.tensor([0])
            assert loss(wrong, label).item() - loss(right, label).item() > 25

    @given(
        angles=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6),
        label=st.integers(0, 5),
        margin=st.floats(0.01, 1.5),
    )
    def test_against_binary_cross_entropy(self, angles, label, margin):
        """Where ``theta + m < pi``."""
        angle = 1e-3 + torch.tensor([angles], dtype=torch.float64) * (math.pi - margin - 2e-3)
        y = torch.tensor([label % len(angles)])
        given = MOvRLoss(margin=margin)(32 * torch.cos(angle), y)
        turned = 32 * torch.cos(torch.arccos(torch.cos(angle)) + margin)
        target = F.one_hot(y, len(angles)).double()
        expected = F.binary_cross_entropy_with_logits(turned, target, reduction="sum")
        torch.testing.assert_close(given, expected, rtol=1e-9, atol=1e-9)


def unit_rows(*shape) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=1)


class TestClassifier:
    def test_class_scores_against_numpy(self):
        model, features = CosineClassifier(6, 4, scale=20.0), torch.randn(30, 6)
        weights, rows = model.prototypes.detach().double().numpy(), features.double().numpy()
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        given = model(features).detach()
        np.testing.assert_allclose(given, 20 * rows @ weights.T, rtol=0, atol=1e-5)
        np.testing.assert_allclose(model.embed(features), rows, rtol=0, atol=1e-6)

    def test_normalised_softmax(self):
        """N-SCE: the host's cross-entropy on these class scores."""
        model, features = CosineClassifier(6, 4), torch.randn(30, 6)
        labels = torch.arange(30).remainder(4)
        weights, rows = model.prototypes.detach().double().numpy(), features.double().numpy()
        cosine = (rows @ weights.T) / np.linalg.norm(rows, axis=1)[:, None]
        logits = 32 * cosine / np.linalg.norm(weights, axis=1)
        expected = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(30), labels]
        given = F.cross_entropy(model(features), labels).item()
        assert given == pytest.approx(expected.mean(), rel=1e-5)

    @pytest.mark.parametrize("training", [True, False])
    def test_no_margin(self, training):
        """``T`` at its own prototype, ``-T`` opposite."""
        model = CosineClassifier(6, 4, scale=16.0).train(training)
        given = model(torch.cat([model.prototypes, -model.prototypes])).detach()
        np.testing.assert_allclose(given[:4].diagonal(), [16] * 4, rtol=1e-6)
        np.testing.assert_allclose(given[4:].diagonal(), [-16] * 4, rtol=1e-6)

    @given(
        features=st.floats(1e-10, 1e10), prototypes=st.floats(1e-6, 1e6), seed=st.integers(0, 100)
    )
    def test_lengths_do_not_matter(self, features, prototypes, seed):
        torch.manual_seed(seed)
        model, rows = CosineClassifier(6, 4).requires_grad_(False), torch.randn(5, 6)
        scaled = copy.deepcopy(model)
        scaled.prototypes *= prototypes
        torch.testing.assert_close(scaled(features * rows), model(rows), rtol=0, atol=1e-4)

    def test_score_is_the_loss_at_the_pseudo_label(self):
        """Eq. 22, without margin."""
        model, features = CosineClassifier(6, 4), torch.randn(50, 6)
        class_scores = model(features).detach()
        logits = class_scores.double().numpy()
        prob = 1 / (1 + np.exp(-logits))
        pseudo = prob.argmax(1)
        rows = np.arange(50)
        expected = -np.log(prob[rows, pseudo])
        for k in range(4):
            expected -= np.where(pseudo == k, 0, np.log(1 - prob[:, k]))
        given = model.scores["movr"](class_scores)
        np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
        by_loss = MOvRLoss(margin=0.0).per_sample(class_scores, torch.from_numpy(pseudo))
        torch.testing.assert_close(given, by_loss)
        np.testing.assert_allclose(model.scores["max_cosine"](class_scores), -logits.max(1))
        assert list(model.scores) == ["movr", "max_cosine"]

    def test_confident_samples_keep_their_order(self):
        cosine = torch.linspace(0.7, 0.99, 50)
        rows = torch.stack([cosine, -cosine, -cosine], 1)
        score = CosineClassifier(2, 3).scores["movr"](32 * rows)
        assert (score > 0).all() and (score[1:] < score[:-1]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
class TestFiniteGradients:
    def gradients(self, model, features, labels) -> list[torch.Tensor]:
        features.requires_grad_()
        loss = MOvRLoss()(model(features), labels)
        return torch.autograd.grad(loss, [features, model.prototypes])

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("label", [0, 1])
    def test_at_a_prototype_and_opposite(self, dtype, sign, label):
        model = CosineClassifier(3, 2).to(dtype)
        with torch.no_grad():
            model.prototypes.copy_(torch.eye(2, 3))
        features = sign * torch.eye(2, 3, dtype=dtype)
        assert model(features).diagonal().tolist() == [32 * sign] * 2
        # A cosine of exactly +-1 does not turn by an infinitesimal step of the features: in both
        # the gradient is only that of the other class, and small.
        for gradient in self.gradients(model, features, torch.tensor([label, 1 - label])):
            assert gradient.isfinite().all() and gradient.abs().max() < 100

    def test_at_random_prototypes(self, dtype):
        """Their cosine with themselves is 1 up to rounding, above it for some."""
        model = CosineClassifier(16, 200).to(dtype)
        features = torch.cat([model.prototypes, -model.prototypes]).detach()
        labels = torch.arange(200).repeat(2)
        for gradient in self.gradients(model, features, labels):
            assert gradient.isfinite().all() and gradient.abs().max() < 100

    def test_of_the_zero_vector(self, dtype):
        """It has no direction, so its cosines are 0; its gradient must not be that of 1 / 0."""
        model = CosineClassifier(6, 4).to(dtype)
        features = torch.zeros(3, 6, dtype=dtype)
        assert not model(features).any()
        for gradient in self.gradients(model, features, torch.tensor([0, 1, 2])):
            assert gradient.isfinite().all() and gradient.abs().max() < 100

    def test_of_the_loss_at_the_ends(self, dtype):
        scores = torch.tensor([[32.0, -32.0, 0.0], [-32.0, 32.0, 32.0]], dtype=dtype)
        scores.requires_grad_()
        loss = MOvRLoss()(scores, torch.tensor([0, 0]))
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite() and gradient.isfinite().all()
        assert gradient[1, 0] < 0, "opposite its own prototype, a sample must be drawn to it"


def test_gradient_of_all():
    model = CosineClassifier(5, 3).double()
    features = torch.randn(2, 5, 2, 2).double().requires_grad_()
    labels = torch.tensor([[[0, 1], [2, 255]], [[1, 1], [0, 2]]])
    model.prototypes.requires_grad_()

    def total(features, prototypes):
        scores = torch.func.functional_call(model, {"prototypes": prototypes}, (features,))
        return MOvRLoss()(scores, labels)

    assert torch.autograd.gradcheck(total, (features, model.prototypes))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("MOvRLoss", {}), ("CosineClassifier", dict(in_channels=3, num_classes=2))],
)
def test_registered(name, settings):
    assert type(MODELS.build(dict(type=f"mmosr.{name}", **settings))).__name__ == name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(margin=-0.1), "margin must be between 0 and pi/2, got -0.1"),
        (dict(margin=1.6), "margin must be between 0 and pi/2, got 1.6"),
        (dict(scale=None), "a margin needs the scale"),
        (dict(scale=0.0), "scale must be above 0, got 0.0"),
    ],
)
def test_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        MOvRLoss(**settings)


def test_scale_of_the_classifier():
    with pytest.raises(ValueError, match="scale must be above 0, got 0.0"):
        CosineClassifier(4, 3, scale=0.0)
