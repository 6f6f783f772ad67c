"""Tests of the optimiser that steps the encoder and the density together."""

import copy

import pytest
import torch
from mmengine.optim import LinearLR, build_optim_wrapper

from mmosr.utils import InputError

from .mixture_toy import SGD, make_loss, make_model, make_wrapper, phi_of, theta_of


def train(model, wrapper, steps, scheduler=None):
    for step in steps:
        wrapper.update_params(make_loss(model, step))
        if scheduler is not None:
            scheduler.step()


def assert_same_parameters(model, other):
    for (name, value), twin in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(value, twin), name


class TestStep:
    def test_equals_the_two_apart(self):
        model, other = make_model(), make_model()
        train(model, make_wrapper(model), range(5))
        settings = {name: value for name, value in SGD.items() if name != "type"}
        sgd = torch.optim.SGD(phi_of(other), **settings)
        adam = torch.optim.Adam(theta_of(other), lr=1e-3, betas=(0.9, 0.99))
        for step in range(5):
            sgd.zero_grad(), adam.zero_grad()
            make_loss(other, step).backward()
            sgd.step(), adam.step()
        assert_same_parameters(model, other)

    def test_every_parameter_moves(self):
        model = make_model()
        before = copy.deepcopy(model)
        train(model, make_wrapper(model), range(1))
        for (name, value), old in zip(model.named_parameters(), before.parameters(), strict=True):
            assert not torch.equal(value, old), name

    def test_closure_runs_once(self):
        model = make_model()
        optimizer = make_wrapper(model).optimizer
        losses = []

        def closure():
            optimizer.zero_grad()
            losses.append(make_loss(model, 0))
            losses[-1].backward()
            return losses[-1]

        assert optimizer.step(closure) is losses[0] and len(losses) == 1
        other = make_model()
        train(other, make_wrapper(other), range(1))
        assert_same_parameters(model, other)

    def test_accumulation(self):
        model, other = make_model(), make_model()
        train(model, make_wrapper(model, accumulative_counts=2), range(2))
        wrapper = make_wrapper(other)
        # The losses are computed first: accumulating must not change anything in between.
        (sum(make_loss(other, step) for step in range(2)) / 2).backward()
        wrapper.step()
        for value, twin in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(value, twin)

    def test_zero_grad(self):
        model = make_model()
        wrapper = make_wrapper(model)
        make_loss(model, 0).backward()
        wrapper.zero_grad()
        assert all(p.grad is None for p in model.parameters())


class TestSchedule:
    def test_it_changes_both(self):
        model = make_model()
        wrapper = make_wrapper(model)
        scheduler = LinearLR(wrapper, start_factor=0.25, end=3, by_epoch=False)
        sgd, adam = wrapper.optimizer.optimizers
        rates = []
        for step in range(4):
            rates.append((sgd.param_groups[0]["lr"], adam.param_groups[0]["lr"]))
            train(model, wrapper, [step], scheduler)
        factors = [0.25, 0.625, 1.0, 1.0]
        assert rates == [pytest.approx((0.1 * f, 1e-3 * f)) for f in factors]

    def test_the_rate_has_an_effect_on_both(self):
        model = make_model()
        wrapper = make_wrapper(model)
        scheduler = LinearLR(wrapper, start_factor=1.0, end_factor=0.0, end=3, by_epoch=False)
        train(model, wrapper, range(2), scheduler)
        stopped = copy.deepcopy(model)
        train(model, wrapper, range(2, 4))  # the rate is zero now
        assert_same_parameters(model, stopped)

    def test_logged_rate_is_the_encoders(self):
        assert make_wrapper(make_model()).get_lr()["base_lr"] == [0.1]


class TestState:
    def test_training_goes_on_as_if_never_stopped(self, tmp_path):
        model = make_model()
        wrapper = make_wrapper(model)
        scheduler = LinearLR(wrapper, start_factor=0.1, end=6, by_epoch=False)
        train(model, wrapper, range(3), scheduler)
        parts = {"model": model, "wrapper": wrapper, "scheduler": scheduler}
        torch.save({name: part.state_dict() for name, part in parts.items()}, tmp_path / "a.pth")

        resumed = make_model()
        other = make_wrapper(resumed)
        schedule = LinearLR(other, start_factor=0.1, end=6, by_epoch=False)
        state = torch.load(tmp_path / "a.pth", weights_only=True)
        resumed.load_state_dict(state["model"])
        other.load_state_dict(state["wrapper"])
        schedule.load_state_dict(state["scheduler"])

        train(model, wrapper, range(3, 8), scheduler)
        train(resumed, other, range(3, 8), schedule)
        assert_same_parameters(model, resumed)
        for group, twin in zip(
            wrapper.optimizer.param_groups, other.optimizer.param_groups, strict=True
        ):
            assert group["lr"] == twin["lr"]

    def test_state_of_a_plain_optimizer(self):
        model = make_model()
        wrapper = make_wrapper(model)
        plain = build_optim_wrapper(model, dict(type="OptimWrapper", optimizer=dict(SGD)))
        with pytest.raises(InputError, match="holds the state of 1 optimiser.* trains with 2"):
            wrapper.load_state_dict(plain.state_dict())
