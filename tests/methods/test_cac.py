"""Tests of class anchor clustering: losses, distances and scores by value."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mmosr.methods import AnchorClassifier, CACLoss, CenterLoss
from mmosr.methods.cac import distances, rejection_score
from mmosr.registry import MODELS

from .contract import ClassifierContract
from .loss_contract import LossContract


class TestAnchored(ClassifierContract):
    def make(self):
        return AnchorClassifier(self.in_channels, self.num_classes)

    def near_and_far(self, classifier):
        fixed, moved = classifier.anchors[:1], classifier.reestimated_anchors[:1]
        middle = classifier.reestimated_anchors.mean(0, keepdim=True)
        return {
            "cac": (moved, middle),
            "cac_fixed": (fixed, fixed + 3),
            "cac_reestimated": (moved, moved - 50),
        }


class TestAnchoredFixedAtTest(TestAnchored):
    def make(self):
        return AnchorClassifier(
            self.in_channels, self.num_classes, magnitude=5.0, test_anchors="fixed"
        )

    def near_and_far(self, classifier):
        return {"cac": (classifier.anchors[-1:], classifier.anchors[-1:] + 1)}


class TestLearnt(TestAnchored):
    def make(self):
        return AnchorClassifier(self.in_channels, self.num_classes, centres="learnt")


def tuplet(distance: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Eq. 2 to the letter: ``log(1 + sum_{j != y} exp(d_y - d_j))``."""
    rows = np.arange(len(labels))
    others = np.exp(distance[rows, labels][:, None] - distance)
    others[rows, labels] = 0
    return np.log1p(others.sum(1))


def own(distance: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return distance[np.arange(len(labels)), labels]


class TestCACLoss(LossContract):
    make = staticmethod(CACLoss)

    def reference(self, class_scores, labels):
        return tuplet(-class_scores, labels) + 0.1 * own(-class_scores, labels)


class TestAnchorTermAlone(LossContract):
    def make(self, **settings):
        return CACLoss(anchor_weight=0.7, tuplet_weight=0.0, **settings)

    def reference(self, class_scores, labels):
        return 0.7 * own(-class_scores, labels)

    def test_ignored_samples_do_not_enter(self):
        """The anchor term only pulls at its own class."""
        scores, labels = self.class_scores().requires_grad_(), self.labels()
        self.make()(scores, labels).backward()
        expected = -0.7 / 27 * F.one_hot(labels.remainder(255), 4).movedim(-1, 1)
        expected[0, :, 0] = 0
        torch.testing.assert_close(scores.grad, expected)


class TestTupletTermAlone(LossContract):
    def make(self, **settings):
        return CACLoss(anchor_weight=0.0, tuplet_weight=0.4, **settings)

    def reference(self, class_scores, labels):
        return 0.4 * tuplet(-class_scores, labels)


class TestCenterLoss(LossContract):
    make = staticmethod(CenterLoss)

    def reference(self, class_scores, labels):
        return 0.5 * own(class_scores, labels) ** 2


class TestByHand:
    def test_two_classes(self):
        """alpha = 3, z = (3, 4): d = (4, |(3, 1)|) = (4, sqrt 10)."""
        model = AnchorClassifier(2, 2, magnitude=3.0).double()
        scores = model.class_scores(torch.tensor([[3.0, 4.0]]).double())
        np.testing.assert_allclose(scores, [[-4, -math.sqrt(10)]], rtol=1e-12)
        # log(1 + e^(4 - 3.162278)) = log(1 + 2.311097) = 1.197280 and 0.1 * 4
        # log(1 + e^(3.162278 - 4)) = log(1 + 0.432695) = 0.359557 and 0.1 * 3.162278
        for label, expected in enumerate([1.597280, 0.675785]):
            loss = CACLoss()(scores, torch.tensor([label])).item()
            assert loss == pytest.approx(expected, abs=2e-6)
        # softmin = (0.302015, 0.697985): 4 * 0.697985 = 2.79, 3.162278 * 0.302015 = 0.955054
        assert rejection_score(scores).item() == pytest.approx(0.955054, abs=2e-6)

    def test_three_classes(self):
        """d = (1, 2, 3), by their exponentials 0.367879, 0.135335, 0.049787; sum 0.553001."""
        scores = -torch.tensor([[1.0, 2.0, 3.0]]).double()
        expected = [
            0.407606 + 0.5 * 1,  # log(1 + e^-1 + e^-2)
            1.407606 + 0.5 * 2,  # log(1 + e^1 + e^-1)
            2.407606 + 0.5 * 3,  # log(1 + e^2 + e^1)
        ]
        for label, value in enumerate(expected):
            loss = CACLoss(anchor_weight=0.5)(scores, torch.tensor([label])).item()
            assert loss == pytest.approx(value, abs=1e-6)
        # (1, 2, 3) * (1 - (0.665241, 0.244728, 0.090031)): 0.334759, 1.510543, 2.729908
        assert rejection_score(scores).item() == pytest.approx(0.334759, abs=1e-6)

    def test_center_loss_is_the_squared_distance(self):
        """z = (3, 4), centre (3, 0): 0.1 / 2 * 16, plus CE(z) with learnt centres."""
        model = AnchorClassifier(2, 2, magnitude=3.0, logit_loss_weight=1.0).double()
        z, label = torch.tensor([[3.0, 4.0]]).double(), torch.tensor([0])
        centre = CenterLoss(loss_weight=0.1)(model.class_scores(z), label).item()
        assert centre == pytest.approx(0.8, rel=1e-12)
        logits = model.loss(z, label)["loss_logit_ce"].item()
        assert logits == pytest.approx(1.313262, abs=1e-6)  # log(1 + e^(4 - 3))


distance_rows = st.lists(st.floats(0, 1e3), min_size=2, max_size=6)


class TestProperties:
    @given(rows=distance_rows, label=st.integers(0, 5), weight=st.floats(0, 2))
    def test_cac_is_cross_entropy_of_the_negative_distances(self, rows, label, weight):
        d = torch.tensor([rows], dtype=torch.float64)
        y = torch.tensor([label % len(rows)])
        given = CACLoss(anchor_weight=weight)(-d, y)
        expected = F.cross_entropy(-d, y) + weight * d[0, y[0]]
        torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)

    @given(rows=distance_rows)
    def test_score_is_the_smallest_gamma(self, rows):
        d = np.array(rows)
        weights = np.exp(d.min() - d)
        gamma = d * np.array([np.delete(weights, i).sum() for i in range(len(d))]) / weights.sum()
        score = rejection_score(-torch.tensor([rows], dtype=torch.float64)).item()
        assert score == pytest.approx(gamma.min(), rel=1e-12, abs=1e-300)

    def test_large_distances_are_stable(self):
        """exp(1000) overflows; log(1 + exp(x)) is x."""
        d = torch.tensor([[1001.0, 1.0, 2001.0], [1.0, 1001.0, 2001.0]])
        loss = CACLoss(anchor_weight=0.0)(-d, torch.tensor([0, 0]), reduction_override="none")
        assert loss.tolist() == [1000.0, 0.0]


class TestDistances:
    def test_not_squared(self):
        z, centres = torch.tensor([[3.0, 4.0], [0.0, 0.5]]), torch.tensor([[0.0, 0.0], [3.0, 0.0]])
        expected = [[5.0, 4.0], [0.5, math.sqrt(9.25)]]
        np.testing.assert_allclose(distances(z, centres), expected, rtol=1e-6)

    @pytest.mark.parametrize("shape", [(40,), (2, 5, 4), (1, 2, 3, 4)])
    def test_against_numpy(self, shape):
        z = 5 * torch.randn(shape[0], 30, *shape[1:])
        centres = torch.cat([10 * torch.eye(30), torch.randn(7, 30)])
        rows = z.movedim(1, -1).double().numpy()[..., None, :]
        expected = np.linalg.norm(rows - centres.double().numpy(), axis=-1)
        given = distances(z, centres).movedim(1, -1)
        np.testing.assert_allclose(given, expected, rtol=1e-6)

    def test_digits_at_an_anchor(self):
        """The form ``|z|^2 - 2 z.c + |c|^2`` gives 0 here, or an error of thousands of percent."""
        anchors = 10 * torch.eye(40)
        offset = 1e-4 * torch.arange(1, 41)
        given = distances(anchors + torch.diag(offset), anchors).diagonal()
        np.testing.assert_allclose(given, offset, rtol=1e-2)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_gradient_at_an_anchor(self, dtype):
        """Zero from the distance that has none; in total finite and that of the others."""
        z = torch.tensor([[2.0, 0.0]], dtype=dtype, requires_grad=True)
        anchors = 2 * torch.eye(2, dtype=dtype)
        own, other = distances(z, anchors)[0]
        assert own.item() == 0
        assert torch.autograd.grad(own, z, retain_graph=True)[0].tolist() == [[0.0, 0.0]]
        expected = np.array([[1.0, -1.0]]) / math.sqrt(2)
        np.testing.assert_allclose(torch.autograd.grad(other, z)[0], expected, rtol=1e-6)
        model = AnchorClassifier(2, 2, magnitude=2.0).to(dtype)
        for loss in (CACLoss(), CenterLoss()):
            value = loss(model.train().class_scores(z), torch.tensor([0]))
            (gradient,) = torch.autograd.grad(value, z)
            assert gradient.isfinite().all()

    def test_a_step_down_the_gradient_leads_to_the_anchor(self):
        z = torch.tensor([[1.0, 3.0, -2.0]], requires_grad=True)
        model = AnchorClassifier(3, 3)
        for _ in range(150):
            loss = CACLoss(anchor_weight=1.0)(model.class_scores(z), torch.tensor([2]))
            (gradient,) = torch.autograd.grad(loss, z)
            with torch.no_grad():
                z -= 0.1 * gradient
        np.testing.assert_allclose(z.detach(), [[0, 0, 10]], atol=0.11)


def test_the_last_anchor_pushes_away():
    """Only its own class is left out of the negatives."""
    model, losses = AnchorClassifier(3, 3), []
    z, label = torch.tensor([[9.0, 1.0, 1.0]]), torch.tensor([0])
    for share in (0.0, 0.3, 0.6, 0.9):
        with torch.no_grad():
            model.anchors[2] = (1 - share) * torch.tensor([0.0, 0.0, 10.0]) + share * z[0]
        losses.append(CACLoss()(model.class_scores(z), label).item())
    assert losses == sorted(losses) and losses[0] + 0.1 < losses[-1]


class TestScore:
    def test_not_the_largest(self):
        """By the largest, a sample at an anchor would be more unknown than one half way."""
        model = AnchorClassifier(3, 3, test_anchors="fixed").eval()
        z = torch.cat([model.anchors, model.anchors.mean(0, keepdim=True), -5 * torch.ones(1, 3)])
        score = model.scores["cac"](model.class_scores(z))
        assert score[:3].tolist() == [0, 0, 0]
        # Half way: d = (sqrt 600 / 3) three times, gamma = d 2/3.
        assert score[3].item() == pytest.approx(math.sqrt(600) / 3 * 2 / 3, rel=1e-6)
        assert score[4] > score[3]

    def test_confident_samples_keep_their_order(self):
        """``1 - softmin`` would be 0 for all of them in float32."""
        model = AnchorClassifier(2, 2, magnitude=30.0, test_anchors="fixed").eval()
        z = torch.zeros(60, 2)
        z[:, 0] = torch.linspace(27, 29.9, 60)
        class_scores = model.class_scores(z)
        assert (1 - class_scores.softmax(1).amax(1) == 0).all()
        score = model.scores["cac"](class_scores)
        assert (score > 0).all() and (score[1:] < score[:-1]).all()

    def test_class_is_that_of_the_smallest_gamma(self):
        d = 5 * torch.rand(200, 4).double()
        gamma = d * (1 - d.neg().softmax(1))
        assert torch.equal(gamma.argmin(1), d.neg().argmax(1))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("CACLoss", {}), ("CenterLoss", {}), ("AnchorClassifier", dict(in_channels=3, num_classes=2))],
)
def test_registered(name, settings):
    assert type(MODELS.build(dict(type=f"mmosr.{name}", **settings))).__name__ == name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(centres="free"), "centres must be one of .*, got 'free'"),
        (dict(test_anchors="moved"), "test_anchors must be 'reestimated' or 'fixed', got 'moved'"),
        (dict(magnitude=0.0), "magnitude must be above 0, got 0.0"),
    ],
)
def test_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        AnchorClassifier(4, 3, **settings)


def test_a_loss_without_terms_is_refused():
    with pytest.raises(ValueError, match="both 0"):
        CACLoss(anchor_weight=0.0, tuplet_weight=0.0)
