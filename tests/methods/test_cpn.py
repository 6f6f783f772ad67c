"""Tests of CPN: class scores, losses and scores by value."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmosr.methods import PrototypeClassifier
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .contract import ClassifierContract
from .test_mixture import LargestTensor

# f = (3, 1): squared distances 10 and 1 to the prototypes of class 0, 18 and 9 to those of class 1.
PROTOTYPES = [[[0.0, 0.0], [3.0, 0.0]], [[0.0, 4.0], [3.0, 4.0]]]
F31 = [[3.0, 1.0]]


def make(points, dtype=torch.float64, **options) -> PrototypeClassifier:
    """A classifier with these prototypes ``(C, M, D)``."""
    points = torch.as_tensor(points, dtype=dtype)
    classes, number, dims = points.shape
    model = PrototypeClassifier(dims, classes, number, **options).to(dtype)
    with torch.no_grad():
        model.points.copy_(points)
    return model


class TestOnePrototype(ClassifierContract):
    def make(self):
        return PrototypeClassifier(self.in_channels, self.num_classes)

    def near_and_far(self, classifier):
        with torch.no_grad():
            classifier.points.copy_(3 * torch.eye(self.num_classes, self.in_channels).unsqueeze(1))
        near = classifier.points[:1, 0].detach()
        return {"cpn": (near, near + 9), "msp": (near, 0 * near)}


class TestThreePrototypes(TestOnePrototype):
    def make(self):
        return PrototypeClassifier(self.in_channels, self.num_classes, 3, gamma=0.5)


class TestSumOverPrototypes(TestOnePrototype):
    def make(self):
        return PrototypeClassifier(
            self.in_channels, self.num_classes, 2, prototype_weight=0.1, pooling="sum"
        )


class TestByHand:
    def test_nearest(self):
        model, f = make(PROTOTYPES, gamma=0.5), torch.tensor(F31).double()
        class_scores = model(f)
        assert class_scores[0].tolist() == pytest.approx([-0.5, -4.5], rel=1e-12)
        assert model.scores["cpn"](class_scores).item() == pytest.approx(0.5, rel=1e-12)
        # 1 / (1 + e^4)
        assert model.scores["msp"](class_scores).item() == pytest.approx(0.0179862, abs=1e-7)

    def test_sum(self):
        model, f = make(PROTOTYPES, gamma=0.5, pooling="sum"), torch.tensor(F31).double()
        # log(e^-5 + e^-0.5) and log(e^-9 + e^-4.5): 0.0110477 above the nearest one.
        expected = [-0.5 + 0.0110477, -4.5 + 0.0110477]
        np.testing.assert_allclose(model(f).detach()[0], expected, rtol=0, atol=1e-7)

    @pytest.mark.parametrize(("labels", "expected"), [([0], 0.1), ([1], 0.9), ([0, 1, 255], 0.5)])
    @pytest.mark.parametrize("pooling", ["nearest", "sum"])
    def test_prototype_loss(self, labels, expected, pooling):
        """lambda times 1 or 9: not the mean over prototypes, nor half the square, nor over D."""
        model = make(PROTOTYPES, prototype_weight=0.1, gamma=7.0, pooling=pooling)
        f = torch.tensor(F31 * len(labels)).double()
        losses = model.loss(f, torch.tensor(labels))
        assert losses.keys() == {"loss_prototype"}
        assert losses["loss_prototype"].item() == pytest.approx(expected, rel=1e-12)

    def test_gradient_of_the_prototype_loss(self):
        """It pulls the nearest prototype of the class to the sample, and the sample to it."""
        model = make(PROTOTYPES, prototype_weight=1.0)
        f = torch.tensor(F31).double().requires_grad_()
        model.loss(f, torch.tensor([0]))["loss_prototype"].backward()
        assert model.points.grad.tolist() == [[[0, 0], [0, -2]], [[0, 0], [0, 0]]]
        assert f.grad.tolist() == [[0, 2]]

    def test_gradient_of_the_cross_entropy(self):
        """The nearest prototype of the class comes nearer, that of the other goes away."""
        model, f = make(PROTOTYPES, gamma=0.5), torch.tensor(F31).double()
        F.cross_entropy(model(f), torch.tensor([0])).backward()
        # Of the class (1 - p_0) gamma 2 (p - f) with 1 - p_0 = 0.0179862, of the other minus that.
        expected = np.array([[[0, 0], [0, -1]], [[0, 0], [0, -3]]]) * 0.0179862
        np.testing.assert_allclose(model.points.grad, expected, rtol=0, atol=1e-6)

    def test_settings_of_the_release(self):
        """0.001 times half the square, temperature 1, as the docstring says; gamma is a default."""
        model = make([[[1.0, 2.0]], [[5.0, 5.0]]], prototype_weight=5e-4)
        f, label = torch.tensor([[4.0, 6.0]]).double(), torch.tensor([0])
        assert model(f)[0].tolist() == pytest.approx([-25.0, -2.0])
        assert model.loss(f, label)["loss_prototype"].item() == pytest.approx(0.001 * 25 / 2)

    def test_divided_by_d(self):
        """The settings that the docstring gives for the version that divides by D."""
        f, points = torch.randn(7, 6).double(), torch.randn(4, 1, 6).double()
        labels = torch.arange(7) % 4
        model = make(points, gamma=1 / 6, prototype_weight=0.05 / 6)
        squares = (f[:, None] - points[:, 0]).square()
        torch.testing.assert_close(model(f), -squares.mean(2))
        expected = 0.1 * F.mse_loss(f, points[labels, 0]) / 2
        torch.testing.assert_close(model.loss(f, labels)["loss_prototype"], expected)


@pytest.mark.parametrize("shape", [(30,), (2, 5, 4), (2, 3, 2, 2)])
@pytest.mark.parametrize("pooling", ["nearest", "sum"])
def test_against_numpy(shape, pooling):
    points, maps = torch.randn(4, 3, 6), torch.randn(shape[0], 6, *shape[1:])
    model = make(points, torch.float32, gamma=0.4, prototype_weight=0.3, pooling=pooling)
    labels = torch.randint(4, shape)
    labels[0] = 255
    rows = maps.movedim(1, -1).double().numpy()[..., None, None, :]
    squared = ((rows - points.double().numpy()) ** 2).sum(-1)
    each = -0.4 * squared
    class_scores = each.max(-1) if pooling == "nearest" else np.logaddexp.reduce(each, axis=-1)
    given = model(maps).detach()
    np.testing.assert_allclose(given.movedim(1, -1), class_scores, rtol=1e-5, atol=1e-5)
    softmax = np.exp(class_scores) / np.exp(class_scores).sum(-1, keepdims=True)
    expected = {"cpn": -class_scores.max(-1), "msp": 1 - softmax.max(-1)}
    assert list(model.scores) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(model.scores[name](given), value, rtol=1e-4, atol=1e-5)
    kept = labels.numpy() != 255
    own = squared[kept, labels.numpy()[kept]].min(-1)
    loss = model.loss(maps, labels)["loss_prototype"].item()
    assert loss == pytest.approx(0.3 * own.mean(), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(number=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_probabilities_of_the_prototypes_add_up(number, seed):
    """DCE of 2018: softmax over all prototypes, summed over those of a class."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(3, number, 5, generator=generator, dtype=torch.float64)
    f = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    model = make(points, gamma=0.7, pooling="sum")
    squared = (f[:, None] - points.flatten(0, 1)).square().sum(2)
    expected = (-0.7 * squared).softmax(1).unflatten(1, (3, number)).sum(2)
    torch.testing.assert_close(model(f).softmax(1), expected, rtol=1e-9, atol=1e-12)
    nearest = make(points, gamma=0.7)
    assert torch.equal(nearest(f).argmax(1), squared.argmin(1) // number)
    # What the sum adds to the score is at most log M.
    more = nearest.scores["cpn"](nearest(f)) - model.scores["cpn"](model(f))
    assert (more >= -1e-12).all() and (more <= math.log(number) + 1e-12).all()


class ScoresAndLosses(torch.nn.Module):
    """Class scores and losses of a classifier from one call."""

    def __init__(self, model: torch.nn.Module, labels: torch.Tensor) -> None:
        super().__init__()
        self.model, self.labels = model, labels

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.model(features), *self.model.loss(features, self.labels).values()


def check_all_gradients(model: torch.nn.Module) -> None:
    """Gradcheck in float64 of the features ``(3, 4, 2)`` and of every parameter."""
    both = ScoresAndLosses(model, torch.tensor([[0, 2], [1, 255], [2, 0]]))
    names, values = zip(*both.named_parameters(), strict=True)

    def call(features, *values):
        return torch.func.functional_call(both, dict(zip(names, values, strict=True)), features)

    values = [value.detach().double().requires_grad_() for value in values]
    features = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (features, *values))


@pytest.mark.parametrize("pooling", ["nearest", "sum"])
def test_gradcheck(pooling):
    check_all_gradients(make(torch.randn(3, 2, 4), pooling=pooling, prototype_weight=0.3))


def test_at_a_prototype():
    """Distance, loss and gradients are zero there, not NaN."""
    model = make(PROTOTYPES, torch.float32, prototype_weight=1.0)
    f = torch.tensor([[3.0, 0.0]], requires_grad=True)
    assert model(f).tolist() == [[0.0, -16.0]]
    loss = model.loss(f, torch.tensor([0]))["loss_prototype"]
    loss.backward()
    assert loss.item() == 0 and not f.grad.any() and not model.points.grad.any()


def test_digits_near_a_prototype():
    """``|f|^2 - 2 f.p + |p|^2`` would give 0 here, or less than 0."""
    model = make(100 + torch.zeros(1, 1, 8), torch.float32)
    offset = torch.arange(1.0, 9.0).diag() / 1024
    expected = -(torch.arange(1.0, 9.0) / 1024).square().unsqueeze(1)
    torch.testing.assert_close(model(100 + offset).detach(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("shape", [(512, 64), (2, 64, 16, 16)])
def test_no_large_tensor(shape):
    """The features are 512 * 64, the distances 512 * 15; a broadcast would be 512 * 15 * 64."""
    model = PrototypeClassifier(64, 5, 3)
    f, labels = torch.randn(shape, requires_grad=True), torch.randint(5, (shape[0], *shape[2:]))
    with LargestTensor() as largest:
        (model(f).sum() + model.loss(f, labels)["loss_prototype"]).backward()
    assert largest.elements == 512 * 64


def test_start():
    points = PrototypeClassifier(300, 20, 4).points
    assert points.std().item() == pytest.approx(0.1, rel=0.05) and abs(points.mean()) < 0.01
    model = PrototypeClassifier(3, 2)
    assert (model.gamma, model.weight, model.pooling) == (1, 0.05, "nearest")


def test_registered():
    cfg = dict(type="mmosr.PrototypeClassifier", in_channels=3, num_classes=2, num_prototypes=5)
    assert MODELS.build(cfg).points.shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_prototypes=0), "PrototypeClassifier: a class needs 1 point or more, got 0"),
        (dict(gamma=0.0), "PrototypeClassifier: gamma must be above 0, got 0.0"),
        (dict(prototype_weight=-1.0), "the weight of its loss must be 0 or above, got -1.0"),
        (dict(pooling="mean"), r"pooling must be one of \('nearest', 'sum'\), got 'mean'"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(InputError, match=message):
        PrototypeClassifier(4, 3, **options)
