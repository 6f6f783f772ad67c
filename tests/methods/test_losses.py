"""Tests of what the losses share, on cross-entropy and against torch's own."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from mmseg.structures import OHEMPixelSampler

from mmosr.methods import ClassScoreLoss
from mmosr.methods.losses import of_class

from .loss_contract import LossContract


class CrossEntropy(ClassScoreLoss):
    def per_sample(self, class_scores, labels):
        return F.cross_entropy(class_scores, labels, reduction="none")


class TestContract(LossContract):
    make = staticmethod(CrossEntropy)

    def reference(self, class_scores, labels):
        total = np.logaddexp.reduce(class_scores, axis=1)
        return total - class_scores[np.arange(len(labels)), labels]


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), max_size=3),
    weighted=st.booleans(),
    ignore_index=st.sampled_from([255, -1, -100, 1]),
)
def test_mean_is_that_of_cross_entropy(data, shape, weighted, ignore_index):
    """``per_sample`` is the mean's only difference from torch's function."""
    shape = (data.draw(st.integers(1, 4)), *shape)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    scores = torch.randn(shape[0], 3, *shape[1:], generator=generator, dtype=torch.float64)
    labels = torch.randint(3, shape, generator=generator)
    labels[torch.rand(shape, generator=generator) < 0.3] = ignore_index
    class_weight = [0.5, 2.0, 0.25] if weighted else None
    scores.requires_grad_()
    loss = CrossEntropy(class_weight=class_weight)(scores, labels, ignore_index=ignore_index)
    (gradient,) = torch.autograd.grad(loss, scores)
    if (labels == ignore_index).all():  # torch's is 0 / 0
        assert loss.item() == 0 and not gradient.any()
        return
    weight = torch.tensor(class_weight).double() if weighted else None
    expected = F.cross_entropy(scores, labels, weight, ignore_index=ignore_index)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    (expected,) = torch.autograd.grad(expected, scores)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_of_class():
    values = torch.arange(24.0).reshape(2, 3, 2, 2)
    labels = torch.tensor([[[0, 2], [1, 0]], [[2, 2], [0, 1]]])
    # Sample 0: 0 of class 0, 9 = 4 * 2 + 1, 6 = 4 + 2, 3; sample 1: from 12.
    expected = torch.tensor([[[0.0, 9.0], [6.0, 3.0]], [[20.0, 21.0], [14.0, 19.0]]])
    assert torch.equal(of_class(values, labels), expected)


def test_hard_pixels_are_chosen_by_the_loss():
    """mmseg's sampler asks for the loss of each pixel."""
    loss = CrossEntropy()
    context = SimpleNamespace(ignore_index=255, loss_decode=loss)
    scores = torch.zeros(1, 2, 2, 3)
    scores[0, 0] = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    labels = torch.tensor([[[[0, 1, 0], [1, 0, 255]]]])
    # Hard are the two pixels of class 1, where class 0 leads.
    weight = OHEMPixelSampler(context, min_kept=2).sample(scores, labels)
    assert weight.tolist() == [[[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]]
    mean = loss(scores, labels.squeeze(1), weight=weight).item()
    # log(1 + e^2) and log(1 + e^4)
    assert mean == pytest.approx((2.126928 + 4.018150) / 2, abs=1e-6)


def test_a_loss_needs_its_formula():
    with pytest.raises(TypeError, match="per_sample"):
        ClassScoreLoss()


def test_the_formula_is_outside_autocast():
    class Projected(ClassScoreLoss):
        def per_sample(self, class_scores, labels):
            return (class_scores @ torch.full((3, 1), 1.001)).squeeze(1)

    scores, labels = torch.randn(20, 3), torch.zeros(20, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = Projected()(scores, labels)
    assert given.item() == Projected()(scores, labels).item()
