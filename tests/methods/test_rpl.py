"""Tests of RPL: class scores, losses and scores by value."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmosr.methods import ReciprocalPointClassifier
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .contract import ClassifierContract
from .test_cpn import check_all_gradients
from .test_mixture import LargestTensor

# f = (4, 0): squared distances over D = 2 to the points of class 0: 8 and 2, of class 1: 10 and 16.
POINTS = [[[0.0, 0.0], [2.0, 0.0]], [[0.0, 2.0], [0.0, 4.0]]]
F40 = [[4.0, 0.0]]


def make(points, margins=None, dtype=torch.float64, **options) -> ReciprocalPointClassifier:
    """A classifier with these points ``(C, M, D)`` and margins ``(C,)``."""
    points = torch.as_tensor(points, dtype=dtype)
    classes, number, dims = points.shape
    model = ReciprocalPointClassifier(dims, classes, number, **options).to(dtype)
    with torch.no_grad():
        model.points.copy_(points)
        if margins is not None:
            model.margins.copy_(torch.as_tensor(margins))
    return model


class TestOnePoint(ClassifierContract):
    def make(self):
        return ReciprocalPointClassifier(self.in_channels, self.num_classes)

    def near_and_far(self, classifier):
        """Known is far from the points of its class, unknown among them."""
        with torch.no_grad():
            classifier.points.copy_(3 * torch.eye(self.num_classes, self.in_channels).unsqueeze(1))
        known = -4 * classifier.points[:1, 0].detach()
        among = classifier.points.detach().mean((0, 1)).unsqueeze(0)
        return {name: (known, among) for name in ("rpl", "msp")}


class TestThreePoints(TestOnePoint):
    def make(self):
        return ReciprocalPointClassifier(
            self.in_channels, self.num_classes, 3, gamma=0.5, open_space_weight=0.7
        )


class TestByHand:
    def test_class_scores(self):
        model, f = make(POINTS, gamma=0.25), torch.tensor(F40).double()
        class_scores = model(f)
        # 0.25 (8 + 2) / 2 and 0.25 (10 + 16) / 2
        assert class_scores[0].tolist() == pytest.approx([1.25, 3.25], rel=1e-12)
        assert model.scores["rpl"](class_scores).item() == pytest.approx(-3.25, rel=1e-12)
        # 1 / (1 + e^2)
        assert model.scores["msp"](class_scores).item() == pytest.approx(0.1192029, abs=1e-7)

    @pytest.mark.parametrize(("labels", "expected"), [([0], 2.5), ([1], 1.0), ([0, 1, 255], 1.75)])
    def test_open_space_loss(self, labels, expected):
        """R = (1, 12): 0.1 (7^2 + 1^2) / 2 and 0.1 (2^2 + 4^2) / 2.

        Each point by itself: of the mean distances it would be 0.1 4^2 and 0.1 1^2.
        """
        model = make(POINTS, [1.0, 12.0], gamma=7.0)
        losses = model.loss(torch.tensor(F40 * len(labels)).double(), torch.tensor(labels))
        assert losses.keys() == {"loss_open_space"}
        assert losses["loss_open_space"].item() == pytest.approx(expected, rel=1e-12)

    def test_gradient_of_the_open_space_loss(self):
        model = make(POINTS, [1.0, 12.0], open_space_weight=1.0)
        f = torch.tensor(F40).double().requires_grad_()
        model.loss(f, torch.tensor([0]))["loss_open_space"].backward()
        # Of the margin -2 (7 + 1) / 2; of a point (d - R) (p - f) by 2/M and 2/D: 7 (-4), 1 (-2).
        np.testing.assert_allclose(model.margins.grad, [-8.0, 0.0], rtol=1e-12)
        expected = [[[-28, 0], [-2, 0]], [[0, 0], [0, 0]]]
        np.testing.assert_allclose(model.points.grad, expected, rtol=1e-12)
        np.testing.assert_allclose(f.grad, [[30, 0]], rtol=1e-12)
        model.margins.grad = None
        model.loss(f, torch.tensor([1]))["loss_open_space"].backward()
        np.testing.assert_allclose(model.margins.grad, [0.0, -2.0], rtol=1e-12)

    def test_cross_entropy_drives_away_from_the_points_of_the_class(self):
        model, f = make(POINTS), torch.tensor(F40).double().requires_grad_()
        F.cross_entropy(model(f), torch.tensor([0])).backward()
        # p_1 = 1 / (1 + e^-8) times the gradient of d_1 - d_0: 2/D (mean of p_0 - mean of p_1).
        expected = 0.9996646 * np.array([[1.0, -3.0]])
        np.testing.assert_allclose(f.grad, expected, rtol=0, atol=1e-6)

    def test_settings_of_the_other_version(self):
        """Without D in the probabilities: gamma = D, as the docstring says."""
        f, points = torch.randn(5, 6).double(), torch.randn(4, 2, 6).double()
        expected = (f[:, None, None] - points).square().sum(3).mean(2)
        torch.testing.assert_close(make(points, gamma=6.0)(f), expected)


@pytest.mark.parametrize("shape", [(30,), (2, 5, 4), (2, 3, 2, 2)])
def test_against_numpy(shape):
    points, maps = torch.randn(4, 3, 6), 2 * torch.randn(shape[0], 6, *shape[1:])
    margins = [0.5, 1.0, 2.0, 4.0]
    model = make(points, margins, torch.float32, gamma=0.4, open_space_weight=0.3)
    labels = torch.randint(4, shape)
    labels[0] = 255
    rows = maps.movedim(1, -1).double().numpy()[..., None, None, :]
    each = ((rows - points.double().numpy()) ** 2).mean(-1)
    class_scores = 0.4 * each.mean(-1)
    given = model(maps).detach()
    np.testing.assert_allclose(given.movedim(1, -1), class_scores, rtol=1e-5, atol=1e-5)
    softmax = np.exp(class_scores) / np.exp(class_scores).sum(-1, keepdims=True)
    expected = {"rpl": -class_scores.max(-1), "msp": 1 - softmax.max(-1)}
    assert list(model.scores) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(model.scores[name](given), value, rtol=1e-4, atol=1e-5)
    kept = labels.numpy() != 255
    own = labels.numpy()[kept]
    terms = (each[kept, own] - np.array(margins)[own, None]) ** 2
    loss = model.loss(maps, labels)["loss_open_space"].item()
    assert loss == pytest.approx(0.3 * terms.mean(), rel=1e-5)


def test_gradcheck():
    check_all_gradients(make(torch.randn(3, 2, 4), [0.5, 1.0, 2.0], open_space_weight=0.3))


def test_margins_learn_the_mean_distance():
    """The margin that costs least is the mean of the distances to a class's points."""
    f, labels = torch.randn(60, 6).double(), torch.arange(60) % 4
    model = make(torch.randn(4, 2, 6), open_space_weight=1.0)
    optimizer = torch.optim.SGD([model.margins], lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        model.loss(f, labels)["loss_open_space"].backward()
        optimizer.step()
    each = model(f).detach()[torch.arange(60), labels]
    expected = torch.stack([each[labels == label].mean() for label in range(4)])
    torch.testing.assert_close(model.margins.detach(), expected, rtol=1e-6, atol=0)


def test_what_is_further_out_than_the_known_counts_as_known():
    """As the docstring warns: what is among the points is unknown."""
    model = make([[[1.0, 0.0]], [[-1.0, 0.0]]])
    rows = torch.tensor([[-3.0, 0.0], [0.0, 0.0], [0.0, 50.0]]).double()
    known, among, outside = model.scores["rpl"](model(rows))
    assert outside < known < among


@pytest.mark.parametrize("shape", [(512, 64), (2, 64, 16, 16)])
def test_no_large_tensor(shape):
    """The features are 512 * 64, the distances 512 * 15; a broadcast would be 512 * 15 * 64."""
    model = ReciprocalPointClassifier(64, 5, 3)
    f, labels = torch.randn(shape, requires_grad=True), torch.randint(5, (shape[0], *shape[2:]))
    with LargestTensor() as largest:
        (model(f).sum() + model.loss(f, labels)["loss_open_space"]).backward()
    assert largest.elements == 512 * 64


def test_start():
    model = ReciprocalPointClassifier(300, 20, 4)
    assert model.points.std().item() == pytest.approx(0.1, rel=0.05)
    assert model.margins.tolist() == [0.0] * 20
    assert (model.gamma, model.weight, ReciprocalPointClassifier(3, 2).points.shape[1]) == (
        1,
        0.1,
        1,
    )


def test_registered():
    cfg = dict(type="mmosr.ReciprocalPointClassifier", in_channels=3, num_classes=2, num_points=5)
    assert MODELS.build(cfg).points.shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_points=0), "ReciprocalPointClassifier: a class needs 1 point or more, got 0"),
        (dict(gamma=-1.0), "ReciprocalPointClassifier: gamma must be above 0, got -1.0"),
        (dict(open_space_weight=-0.1), "the weight of its loss must be 0 or above, got -0.1"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(InputError, match=message):
        ReciprocalPointClassifier(4, 3, **options)
