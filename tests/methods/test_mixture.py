"""Tests of the mixture density by value."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.utils._python_dispatch import TorchDispatchMode

from mmosr.methods import GaussianMixture
from mmosr.methods.mixture import rank_in_group, sample_per_class


def make_mixture(classes=4, components=3, dims=128, dtype=torch.float32) -> GaussianMixture:
    """A mixture with means of unit mean square and sigma between 0.7 and 1.6."""
    torch.manual_seed(0)
    mixture = GaussianMixture(classes, components, dims)
    set_theta(mixture, torch.randn_like(mixture.means), 0.7 + 0.9 * torch.rand_like(mixture.rho))
    return mixture.to(dtype)


def set_theta(mixture: GaussianMixture, means, sigma) -> None:
    """Set the means and the standard deviations."""
    with torch.no_grad():
        mixture.means.copy_(torch.as_tensor(means))
        mixture.rho.copy_(torch.expm1(torch.as_tensor(sigma) - mixture.min_sigma).log())


def unit_features(*shape, dtype=torch.float32):
    """Features of unit mean square over dimension 1."""
    z = torch.randn(*shape, dtype=dtype)
    return F.normalize(z, dim=1) * shape[1] ** 0.5


def reference(mixture: GaussianMixture, z):
    """``log N`` of torch.distributions in float64, (N, C, K, *S)."""
    rows = z.double().movedim(1, -1)
    normal = Independent(Normal(mixture.means.double(), mixture.sigma.double()), 1)
    return normal.log_prob(rows[..., None, None, :]).movedim((-2, -1), (1, 2))


SHAPES = [(50, 128), (2, 128, 7), (2, 128, 5, 6), (1, 128, 2, 3, 4)]


class TestLogProb:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_float32(self, shape):
        mixture, z = make_mixture(), unit_features(*shape)
        log_prob = mixture.component_log_prob(z)
        assert log_prob.dtype == torch.float32
        assert log_prob.shape == (shape[0], 4, 3, *shape[2:])
        error = (log_prob - reference(mixture, z)).abs().max().item()
        assert error < 1e-4

    @pytest.mark.parametrize("shape", SHAPES)
    def test_float64(self, shape):
        mixture = make_mixture(dtype=torch.float64)
        z = unit_features(*shape, dtype=torch.float64)
        error = (mixture.component_log_prob(z) - reference(mixture, z)).abs().max().item()
        assert error < 1e-9

    def test_by_hand(self):
        mixture = GaussianMixture(1, 2, 1)
        set_theta(mixture, [[[-0.5], [1.0]]], [[[2.0], [0.8]]])
        log_prob = mixture.component_log_prob(torch.tensor([[0.5]]))
        # -log(2 pi)/2 = -0.918939; first: - log 2 - (1/2)^2/2; second: - log 0.8 - (0.5/0.8)^2/2.
        expected = [-0.918939 - 0.693147 - 0.125, -0.918939 + 0.223144 - 0.195313]
        assert log_prob.flatten().tolist() == pytest.approx(expected, abs=2e-6)
        # 1/4 exp(-1.737086) + 3/4 exp(-0.891108) = 0.044008 + 0.307651
        weights = torch.tensor([0.25, 0.75]).log()
        density = torch.logsumexp(log_prob + weights, 2).item()
        assert density == pytest.approx(math.log(0.351659), abs=5e-6)

    def test_weighted_sum_is_the_mixture(self):
        mixture, z = make_mixture(), unit_features(20, 128)
        weights = torch.rand(4, 3).softmax(1)
        density = torch.logsumexp(mixture.component_log_prob(z) + weights.log(), 2)
        normal = Independent(Normal(mixture.means.double(), mixture.sigma.double()), 1)
        expected = MixtureSameFamily(Categorical(weights.double()), normal).log_prob(
            z.double()[:, None]
        )
        assert (density - expected).abs().max().item() < 1e-4

    def test_density_integrates_to_one(self):
        mixture = GaussianMixture(2, 3, 1).double()
        line = torch.linspace(-20, 20, 40001, dtype=torch.float64)[:, None]
        mass = mixture.component_log_prob(line).exp().sum(0) * 1e-3
        torch.testing.assert_close(mass, torch.ones_like(mass), rtol=1e-9, atol=0)

    def test_gradient(self):
        mixture = GaussianMixture(2, 2, 3).double()
        z = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

        def function(z, means, rho):
            theta = {"means": means, "rho": rho}
            return torch.func.functional_call(mixture, theta, z)

        mixture.forward = mixture.component_log_prob
        assert torch.autograd.gradcheck(function, (z, mixture.means, mixture.rho))

    def test_detach_cuts_theta_only(self):
        mixture, z = make_mixture(), unit_features(3, 128).requires_grad_()
        mixture.component_log_prob(z, detach=True).sum().backward()
        assert mixture.means.grad is None and mixture.rho.grad is None
        assert z.grad.abs().sum() > 0

    def test_autocast_changes_nothing(self):
        mixture, z = make_mixture(), unit_features(2, 128, 3, 3)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            log_prob = mixture.component_log_prob(z)
            rows = mixture.component_log_prob(z[..., 0, 0])
        assert torch.equal(log_prob, mixture.component_log_prob(z))
        assert torch.equal(rows, mixture.component_log_prob(z[..., 0, 0]))

    def test_no_features(self):
        mixture = make_mixture()
        assert mixture.component_log_prob(torch.zeros(0, 128)).shape == (0, 4, 3)

    def test_arguments(self):
        for floor in (0.0, 1.0, -1.0):
            with pytest.raises(ValueError, match="min_sigma must lie between"):
                GaussianMixture(2, 2, 2, min_sigma=floor)
        for name in ("num_classes", "num_components", "dims"):
            arguments = {"num_classes": 2, "num_components": 2, "dims": 2, name: 0}
            with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
                GaussianMixture(**arguments)

    def test_start(self):
        mixture = GaussianMixture(20, 5, 100, init_sigma=1.3, init_mean_std=0.2)
        torch.testing.assert_close(mixture.sigma, torch.full((20, 5, 100), 1.3))
        assert mixture.means.std().item() == pytest.approx(0.2, rel=0.05)

    def test_sigma_has_a_floor(self):
        mixture = GaussianMixture(1, 1, 2, min_sigma=0.5)
        with torch.no_grad():
            mixture.rho.fill_(-100.0)
        assert mixture.sigma.tolist() == [[[0.5, 0.5]]]


class LargestTensor(TorchDispatchMode):
    """Record the elements of the largest result of any operation."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


class TestMemory:
    def test_the_recorder_sees_broadcasting(self):
        mixture = make_mixture(5, 3, 64)
        with LargestTensor() as largest:
            reference(mixture, torch.randn(256, 64))
        assert largest.elements == 256 * 5 * 3 * 64

    @pytest.mark.parametrize("shape", [(512, 64), (2, 64, 16, 16)])
    def test_no_large_tensor(self, shape):
        mixture, z = make_mixture(5, 3, 64), torch.randn(shape, requires_grad=True)
        with LargestTensor() as largest:
            mixture.component_log_prob(z).sum().backward()
        # The features are 512 * 64, the result is 512 * 15; a broadcast would be 512 * 15 * 64.
        assert largest.elements == 512 * 64


class TestSampling:
    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(0, 4), max_size=40))
    def test_rank_in_group(self, values):
        values = sorted(values)
        ranks = rank_in_group(torch.tensor(values, dtype=torch.long)).tolist()
        assert ranks == [values[:i].count(value) for i, value in enumerate(values)]

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.sampled_from([-1, 0, 1, 2, 3, 254, 255]), max_size=60), st.integers(1, 9))
    def test_sample_per_class(self, values, limit):
        index = sample_per_class(torch.tensor(values, dtype=torch.long), 4, limit).tolist()
        assert len(set(index)) == len(index)
        chosen = [values[i] for i in index]
        assert chosen == sorted(chosen)
        for label in range(4):
            assert chosen.count(label) == min(values.count(label), limit)
        assert set(chosen) <= set(range(4))

    def test_sample_is_random_and_even(self):
        torch.manual_seed(0)
        labels = torch.zeros(10, dtype=torch.long)
        drawn = torch.cat([sample_per_class(labels, 1, 3) for _ in range(2000)])
        share = np.bincount(drawn.numpy(), minlength=10) / 2000
        assert np.abs(share - 0.3).max() < 0.05
