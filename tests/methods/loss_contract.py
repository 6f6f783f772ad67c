"""What every loss of class scores must fulfil.

The test class of a loss inherits :class:`LossContract` and defines ``make`` and a ``reference`` in
numpy; all the tests here run on it::

    class TestContract(LossContract):
        make = staticmethod(MyLoss)

        def reference(self, class_scores, labels):
            return ...
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from mmosr.methods import ClassScoreLoss

IGNORE = 255


def as_rows(maps: Tensor) -> Tensor:
    """``(N, C, *S)`` as ``(N * prod(S), C)``."""
    return maps.movedim(1, -1).flatten(0, -2)


class LossContract:
    """Tests of the contract in :class:`~mmosr.methods.ClassScoreLoss`."""

    num_classes = 4
    signed = False  # class scores on both sides of 0, or below it, like negative distances

    def make(self, **settings) -> ClassScoreLoss:
        """The loss; takes the arguments of :class:`~mmosr.methods.ClassScoreLoss`."""
        raise NotImplementedError

    def reference(self, class_scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The loss of each row of float64 class scores ``(M, C)``, ``(M,)``."""
        raise NotImplementedError

    def class_scores(self, scale: float = 4.0) -> Tensor:
        """``(2, C, 5, 3)``, up to ``scale`` from 0, exact in bfloat16."""
        noise = torch.rand(2, self.num_classes, 5, 3, generator=torch.Generator().manual_seed(0))
        noise = 2 * noise - 1 if self.signed else -noise
        return (scale * noise).bfloat16().float()

    def labels(self) -> Tensor:
        """``(2, 5, 3)`` with every class and 3 ignored pixels."""
        labels = torch.arange(30).remainder(self.num_classes).reshape(2, 5, 3)
        labels[0, 0] = IGNORE
        return labels

    def weights(self) -> Tensor:
        """``(2, 5, 3)`` factors, one of them 0."""
        weights = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(1)).double()
        weights[1, 1, 1] = 0
        return weights

    def expected(self, class_weight=None, weight=None) -> tuple[float, float]:
        """Weighted sum of the reference's losses and sum of the weights."""
        labels, rows = self.labels().flatten(), as_rows(self.class_scores())
        kept = labels != IGNORE
        labels = labels[kept].numpy()
        factors = np.ones(len(labels)) if weight is None else weight.flatten()[kept].numpy()
        if class_weight is not None:
            factors = factors * np.array(class_weight)[labels]
        losses = self.reference(rows[kept].double().numpy(), labels)
        return float((factors * losses).sum()), float(factors.sum())

    @pytest.mark.parametrize("scale", [1e-2, 1.0, 30.0])
    @pytest.mark.parametrize(
        ("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)]
    )
    def test_each_sample(self, scale, dtype, tolerance):
        rows = as_rows(self.class_scores(scale))
        labels = torch.arange(len(rows)).remainder(self.num_classes)
        given = self.make().per_sample(rows.to(dtype), labels)
        expected = self.reference(rows.double().numpy(), labels.numpy())
        np.testing.assert_allclose(given.numpy(), expected, rtol=tolerance, atol=tolerance)

    def test_rows_and_maps_agree(self):
        scores, labels = self.class_scores().double(), self.labels().clamp_max(self.num_classes - 1)
        maps, rows = self.make().per_sample(scores, labels), as_rows(scores)
        assert maps.shape == labels.shape
        expected = self.make().per_sample(rows, labels.flatten())
        torch.testing.assert_close(maps.flatten(), expected, rtol=1e-12, atol=1e-12)
        scores, labels = self.class_scores().double(), self.labels()
        maps, rows = self.make()(scores, labels), self.make()(as_rows(scores), labels.flatten())
        torch.testing.assert_close(maps, rows, rtol=1e-12, atol=1e-12)

    def test_every_class_is_treated_alike(self):
        """The last one too."""
        order = torch.tensor([2, 0, 3, 1])
        scores, labels = as_rows(self.class_scores()).double(), torch.arange(30).remainder(4)
        given = self.make().per_sample(scores[:, order], order.argsort()[labels])
        expected = self.make().per_sample(scores, labels)
        torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)

    def test_mean_over_the_labelled_samples(self):
        total, count = self.expected()
        assert count == 27
        loss = self.make()(self.class_scores().double(), self.labels())
        assert loss.shape == () and loss.item() == pytest.approx(total / count, rel=1e-12)

    def test_class_weight(self):
        """The weighted mean, as in torch.nn.functional.cross_entropy."""
        class_weight = [0.5, 2.0, 0.0, 3.0]
        total, count = self.expected(class_weight)
        loss = self.make(class_weight=class_weight)
        assert not loss.state_dict(), "a loss must not enter checkpoints"
        given = loss(self.class_scores().double(), self.labels()).item()
        assert given == pytest.approx(total / count, rel=1e-12)

    def test_weight(self):
        for class_weight in (None, [0.5, 2.0, 1.0, 3.0]):
            total, count = self.expected(class_weight, self.weights())
            loss = self.make(class_weight=class_weight)
            given = loss(self.class_scores().double(), self.labels(), weight=self.weights())
            assert given.item() == pytest.approx(total / count, rel=1e-12)

    def test_avg_factor(self):
        total, _ = self.expected(weight=self.weights())
        given = self.make()(
            self.class_scores().double(), self.labels(), weight=self.weights(), avg_factor=2.5
        )
        assert given.item() == pytest.approx(total / 2.5, rel=1e-12)

    def test_loss_weight(self):
        total, count = self.expected()
        loss = self.make(loss_weight=0.3)(self.class_scores().double(), self.labels())
        assert loss.item() == pytest.approx(0.3 * total / count, rel=1e-12)

    def test_reduction_none(self):
        scores, labels = self.class_scores().double(), self.labels()
        given = self.make(loss_weight=0.3)(scores, labels, reduction_override="none")
        kept = labels != IGNORE
        expected = 0.3 * self.make().per_sample(scores, labels.masked_fill(~kept, 0)) * kept
        torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)

    def test_other_ignore_index(self):
        scores, labels = self.class_scores(), self.labels()
        other = labels.masked_fill(labels == IGNORE, -1)
        given = self.make()(scores, other, ignore_index=-1)
        assert given.item() == self.make()(scores, labels).item()
        as_class = labels.masked_fill(labels == IGNORE, 0)  # ignoring a class: 0 has no loss then
        given = self.make()(scores, as_class, ignore_index=0)
        rest = self.make()(scores, labels.masked_fill(labels == 0, IGNORE))
        assert given.item() == rest.item() != self.make()(scores, labels).item()

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
    def test_labels_of_other_types(self, dtype):
        scores, labels = self.class_scores(), self.labels()
        given = self.make()(scores, labels.to(dtype))
        assert given.item() == self.make()(scores, labels).item()

    def test_ignored_samples_do_not_enter(self):
        scores = self.class_scores().requires_grad_()
        loss = self.make()(scores, self.labels())
        loss.backward()
        assert not scores.grad[0, :, 0].any()
        assert scores.grad.movedim(1, -1)[self.labels() != IGNORE].abs().sum(-1).all()
        changed = self.class_scores()
        changed[0, :, 0] = -3e4
        assert self.make()(changed, self.labels()).item() == loss.item()
        changed[1, 0, 0] = -9.0  # a labelled row: the loss must notice
        assert self.make()(changed, self.labels()).item() != loss.item()

    @pytest.mark.parametrize("nothing", ["labels", "weight"])
    @pytest.mark.parametrize("scaler", [1.0, 2.0**24])
    def test_nothing_to_learn_from(self, nothing, scaler):
        """Zero, with gradients of exactly zero, also after the loss scaler of mixed precision."""
        scores, labels, weight = self.class_scores().requires_grad_(), self.labels(), None
        if nothing == "labels":
            labels = torch.full_like(labels, IGNORE)
        else:
            weight = torch.zeros(labels.shape)
        loss = self.make(loss_weight=10.0, class_weight=[1.0, 2.0, 1.0, 1.0])
        loss = loss(scores, labels, weight=weight)
        assert loss.item() == 0
        (scaler * loss).backward()
        assert scores.grad is not None and (scores.grad == 0).all()

    def test_float32_under_autocast(self):
        scores, labels = self.class_scores(), self.labels()
        expected = self.make(class_weight=[1.0, 2.0, 0.3, 1.0])(scores, labels)
        for given in (scores, scores.bfloat16()):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = self.make(class_weight=[1.0, 2.0, 0.3, 1.0])(given, labels)
            assert loss.dtype == torch.float32
            torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)

    def test_half_precision(self):
        scores, labels = self.class_scores().bfloat16().requires_grad_(), self.labels()
        loss = self.make()(scores, labels)
        assert loss.dtype == torch.float32 and loss.item() == self.make()(scores.float(), labels)
        loss.backward()
        assert scores.grad.dtype == torch.bfloat16 and scores.grad.isfinite().all()

    def test_gradient(self):
        loss = self.make(class_weight=[1.0, 2.0, 0.3, 1.0])
        scores = self.class_scores()[:, :, 3:].double().requires_grad_()
        labels = self.labels()[:, 3:].clone()
        labels[0, 0, 0] = IGNORE
        assert torch.autograd.gradcheck(lambda x: loss(x, labels), scores)

    def test_input_is_left_alone(self):
        scores, labels = self.class_scores(), self.labels()
        before = scores.clone(), labels.clone()
        self.make()(scores, labels)
        assert torch.equal(scores, before[0]) and torch.equal(labels, before[1])

    def test_name_in_the_log(self):
        """A host adds up what starts with ``loss``."""
        assert self.make().loss_name.startswith("loss")
        assert self.make(loss_name="loss_mine").loss_name == "loss_mine"
