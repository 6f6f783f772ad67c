"""Tests of the margin of m-OvR, as a function of the cosine."""

import math

import numpy as np
import pytest
import torch

from mmosr.methods.movr import margin_cosine


class TestMargin:
    @pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, math.pi / 2])
    def test_is_the_turned_angle(self, margin):
        angle = np.linspace(1e-3, math.pi - margin - 1e-3, 500)
        given = margin_cosine(torch.from_numpy(np.cos(angle)), margin)
        np.testing.assert_allclose(given, np.cos(angle + margin), rtol=0, atol=1e-12)

    def test_by_hand(self):
        # cos(60 + 30 degrees), cos(0 + 30), cos(150 + 30), and beyond: cos 180 + cos 30 - 1
        cosine = torch.tensor([0.5, 1.0, -math.sqrt(3) / 2, -1.0]).double()
        expected = [0.0, math.sqrt(3) / 2, -1.0, math.sqrt(3) / 2 - 2]
        given = margin_cosine(cosine, math.pi / 6)
        np.testing.assert_allclose(given, expected, rtol=0, atol=1e-7)

    @pytest.mark.parametrize(("dtype", "steps"), [(torch.float32, 2000), (torch.float64, 100_000)])
    @pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, math.pi / 2, 3.0])
    def test_decreases_with_the_angle(self, margin, dtype, steps):
        """On the whole [0, pi], and the faces of +-1 included."""
        angle = torch.linspace(0, math.pi, steps, dtype=torch.float64)
        cosine = torch.cos(angle).to(dtype)
        given = margin_cosine(cosine, margin)
        lower = cosine[1:] < cosine[:-1]
        # At the turning point the slope is zero: equal there up to rounding, never higher.
        assert (given[1:] - given[:-1] <= torch.finfo(dtype).eps).all()
        assert (given[1:] < given[:-1])[lower].float().mean() > 0.99
        assert given[0] == given.max() and given[-1] == given.min()

    @pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, math.pi / 2])
    def test_continuous_where_the_angle_passes_pi(self, margin):
        angle = math.pi - margin + torch.tensor([-1e-7, 0.0, 1e-7]).double()
        given = margin_cosine(torch.cos(angle), margin)
        np.testing.assert_allclose(given, [-1, -1, -1], rtol=0, atol=2e-7)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("margin", [0.1, 0.5, math.pi / 2])
    def test_finite_gradient_at_the_ends(self, margin, dtype):
        eps = torch.finfo(dtype).eps
        ends = torch.tensor([1.0, -1.0, 1 + eps, -1 - eps, 1 - eps / 2, eps / 2 - 1], dtype=dtype)
        cosine = ends.requires_grad_()
        value = margin_cosine(cosine, margin)
        expected = np.where(ends.detach().numpy() > 0, np.cos(margin), np.cos(margin) - 2)
        np.testing.assert_allclose(value.detach(), expected, rtol=0, atol=2 * eps**0.5)
        (gradient,) = torch.autograd.grad(value.sum(), cosine)
        assert gradient.isfinite().all()
        assert (gradient[1::2] > 0).all(), "a sample opposite its prototype must be drawn back"

    def test_gradient(self):
        cosine = torch.linspace(-0.99, 0.99, 23).double().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: margin_cosine(x, 0.5), cosine)
