"""Tests of ODIN."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from mmosr.scores import Odin, OdinWithoutUnknowns, build_score, max_softmax
from mmosr.utils import InputError

from .fitted_contract import CLASSES, FittedScoreContract, fit


def network(stride: int = 1) -> nn.Module:
    """A small segmentation network in evaluation mode; the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, stride=stride), nn.Tanh(), nn.Conv2d(8, CLASSES, 1)
        )
    return net.eval()


def images(count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 6, 5, generator=torch.Generator().manual_seed(seed))


class TestOdin:
    def test_linear_model_by_hand(self):
        """Logits W x of two classes: the gradient of log p_0 is a multiple of w_0 - w_1."""
        weight = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 0.5]])

        def logits_fn(x):
            return torch.einsum("kc,nchw->nkhw", weight, x)

        inputs = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]).reshape(2, 3, 1, 1)
        found = Odin(2, temperature=10.0, epsilon=0.1)(inputs, logits_fn).flatten()
        # Class 0 moves by (+, -, 0), class 1 by (-, +, 0), each by 0.1: logits
        # (2.5 + 0.3, 0.5 - 0.1) and (-5.5 - 0.3, 3.5 + 0.1), their differences 2.4 and 9.4.
        # p = 1 / (1 + exp(-0.24)) and 1 / (1 + exp(-0.94)); -T log(2 p)
        expected = [-10 * np.log(2 / (1 + np.exp(-gap))) for gap in (0.24, 0.94)]
        assert found.tolist() == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize(("temperature", "sign"), [(1.0, 1), (1000.0, -1)])
    def test_the_step_is_that_of_the_tempered_softmax(self, temperature, sign):
        """Logits (5, 4.9 - 2 x, 3 x - 10): at x = 0 the gradient of T log p_0 is 2 p_1 - 3 p_2.

        That is 0.95 at T = 1, where p_2 is negligible, and -1/3 at T = 1000, where all are equal.
        """

        def logits_fn(x):
            return torch.cat([0 * x + 5, 4.9 - 2 * x, 3 * x - 10], 1)

        found = Odin(3, temperature=temperature, epsilon=0.1)(torch.zeros(1, 1, 1, 1), logits_fn)
        moved = np.array([5, 4.9 - 0.2 * sign, 0.3 * sign - 10]) / temperature
        expected = -temperature * np.log(3 * softmax(moved).max())
        assert found.item() == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("temperature", [1.0, 1000.0])
    def test_numerical_gradient(self, temperature):
        """The step of each pixel has the sign of the central difference of the sum of log p."""
        net, inputs = network().double(), images(1).double()

        def objective(x):
            return (net(x) / temperature).log_softmax(1).amax(1).sum().item()

        step = torch.zeros_like(inputs)
        for index in np.ndindex(*inputs.shape):
            delta = torch.zeros_like(inputs)
            delta[index] = 1e-4
            with torch.no_grad():
                step[index] = np.sign(objective(inputs + delta) - objective(inputs - delta))
        with torch.no_grad():
            moved = (net(inputs + 0.01 * step) / temperature).numpy()
        found = Odin(CLASSES, temperature=temperature, epsilon=0.01)(inputs, net)
        expected = -temperature * np.log(CLASSES * softmax(moved, axis=1).max(1))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)

    def test_confidence_rises(self):
        """Mean over the map; a single pixel may lose to its neighbours."""
        net, inputs = network(), images(4)
        plain = Odin(CLASSES, epsilon=0.0)(inputs, net)
        scores = [Odin(CLASSES, epsilon=step)(inputs, net) for step in (0.001, 0.01, 0.05)]
        means = [score.double().mean((1, 2)) for score in [plain, *scores]]
        for before, after in zip(means[:-1], means[1:], strict=True):
            assert (after < before).all()

    def test_without_a_step_it_ranks_as_msp_with_temperature(self):
        net, inputs = network(), images()
        with torch.no_grad():
            expected = max_softmax(net(inputs) / 7.0).flatten()
        found = Odin(CLASSES, temperature=7.0, epsilon=0.0)(inputs, net).flatten()
        assert torch.equal(found.argsort(), expected.argsort())
        torch.testing.assert_close((found / -7).exp() / CLASSES, 1 - expected)

    def test_high_temperature_keeps_the_order_of_pixels(self):
        """In float32, where 1 - p has some thousand values at T = 1000."""
        logits = torch.randn(1, CLASSES, 300, 300, generator=torch.Generator().manual_seed(0))
        expected = softmax(logits.double().numpy() / 1000, axis=1).max(1).flatten()
        found = Odin(CLASSES, epsilon=0.0)(logits, lambda x: x).flatten()
        assert len(found.unique()) > 80_000
        assert len(max_softmax(logits / 1000).unique()) < 20_000
        order = expected[found.argsort().numpy()]
        assert (np.diff(order) <= 1e-10).all()

    def test_images_do_not_depend_on_each_other(self):
        net, inputs = network(), images(3)
        score = Odin(CLASSES, epsilon=0.02)
        torch.testing.assert_close(score(inputs, net)[1:2], score(inputs[1:2], net))

    @pytest.mark.parametrize("stride", [1, 2])
    def test_shapes(self, stride):
        score = Odin(CLASSES)
        size = (6, 5) if stride == 1 else (3, 3)
        assert score(images(), network(stride)).shape == (2, *size)
        pooled = nn.Sequential(network(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        assert score(images(), pooled).shape == (2,)

    @pytest.mark.parametrize("enabled", [True, False])
    def test_leaves_no_trace(self, enabled):
        net, inputs = network(), images()
        before = inputs.clone()
        expected = Odin(CLASSES)(inputs, net)
        with torch.set_grad_enabled(enabled):
            scores = Odin(CLASSES)(inputs, net)
            assert torch.is_grad_enabled() == enabled
        assert torch.equal(scores, expected) and not scores.requires_grad
        assert torch.equal(inputs, before) and not inputs.requires_grad and inputs.grad is None
        assert all(parameter.grad is None for parameter in net.parameters())

    def test_registered_and_buildable(self):
        score = build_score(dict(type="odin", epsilon=0.02), CLASSES)
        assert isinstance(score, Odin)
        assert (score.epsilon, score.temperature, score.space) == (0.02, 1000.0, "inputs")
        assert score.state_dict() == {}

    @pytest.mark.parametrize("options", [dict(temperature=0), dict(epsilon=-0.1)])
    def test_wrong_options(self, options):
        with pytest.raises(InputError, match=next(iter(options))):
            build_score(dict(type="odin", **options), CLASSES)


class Shift(nn.Module):
    """Two classes, ``l_0 = -(x - 1)^2`` and 0: the confidence is greatest in 0 at x = 1."""

    def forward(self, inputs):
        value = inputs[:, :1]
        return torch.cat([5 - (value - 1).square(), torch.zeros_like(value)], 1)


class TestOdinWithoutUnknowns(FittedScoreContract):
    name = "odin_fitted"
    # Steps this large that rounding cannot change the choice.
    options = dict(temperature=2.0, candidates=(0.01, 0.1, 1.0))

    def batch(self, indices):
        inputs = images(90, seed=3)[indices]
        kept = torch.rand(90, 6, 5, generator=torch.Generator().manual_seed(4)) < 0.7
        return inputs, network(), kept[indices]

    def scores(self, score):
        return score(images(), network())

    def test_float32_under_autocast(self, fitted):
        """The score itself: what the network does under autocast is its own."""

        def logits_fn(x):
            with torch.autocast("cpu", enabled=False):
                return network()(x)

        expected = fitted(images(), logits_fn)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = fitted(images(), logits_fn)
        assert found.dtype == torch.float32 and torch.equal(found, expected)

    @pytest.mark.parametrize("temperature", [1.0, 4.0])
    def test_sums_by_hand(self, temperature):
        """Steps 0.5, 1 and 2 from x = 0: (x' - 1)^2 is 0.25, 0 and 1."""
        score = OdinWithoutUnknowns(2, temperature=temperature, candidates=(0.5, 1.0, 2.0))
        inputs = torch.zeros(1, 3, 1, 2)
        inputs[..., 1] = -50.0  # ignored: there every step helps, and the largest one most
        sums = fit(score, (inputs, Shift(), torch.tensor([[[True, False]]])))
        expected = 1 / (1 + np.exp((np.array([0.25, 0.0, 1.0]) - 5) / temperature))
        assert sums["total"].tolist() == pytest.approx(expected, rel=1e-6)
        assert sums["count"].item() == 1
        assert score.epsilon.item() == 1.0

    def test_the_step_is_used(self):
        score = OdinWithoutUnknowns(CLASSES, temperature=5.0)
        fit(score, self.everything())
        step = score.epsilon.item()
        assert step == pytest.approx(0.08)  # of steps this small the largest one helps most
        expected = Odin(CLASSES, temperature=5.0, epsilon=step)(images(), network())
        assert torch.equal(self.scores(score), expected)

    def test_fitted_on_validation_data(self):
        assert OdinWithoutUnknowns.fit_split == "val" and OdinWithoutUnknowns.space == "inputs"

    def test_images_without_known_pixels(self):
        inputs, logits_fn, kept = self.everything()
        with pytest.raises(InputError, match="val data hold no sample"):
            fit(self.build(), (inputs, logits_fn, torch.zeros_like(kept)))

    def test_kept_of_another_size_is_refused(self):
        inputs, logits_fn, kept = self.everything()
        with pytest.raises(InputError, match="size of the logits"):
            fit(self.build(), (inputs, logits_fn, kept[:, 1:]))

    @pytest.mark.parametrize("options", [dict(temperature=-1), dict(candidates=())])
    def test_wrong_options(self, options):
        with pytest.raises(InputError, match=next(iter(options))):
            build_score(dict(type="odin_fitted", **options), CLASSES)
