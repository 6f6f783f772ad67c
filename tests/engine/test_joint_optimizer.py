"""Tests of the optimiser that steps the encoder and the density together."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import LinearLR, OptimWrapper, build_optim_wrapper
from torch import nn

from mmosr.engine import JointOptimizer
from mmosr.methods import GaussianMixtureClassifier
from mmosr.utils import InputError

SGD = dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=0.01)


def make_model() -> nn.Sequential:
    torch.manual_seed(0)
    density = GaussianMixtureClassifier(8, 3, embed_dims=4, normalization="layer")
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), density)


def make_wrapper(model: nn.Module, **settings) -> OptimWrapper:
    cfg = dict(
        type="OptimWrapper",
        constructor="mmosr.MixtureOptimWrapperConstructor",
        optimizer=dict(SGD),
    )
    return build_optim_wrapper(model, {**cfg, **settings})


def make_loss(model: nn.Sequential, step: int) -> torch.Tensor:
    torch.manual_seed(100 + step)
    features, labels = torch.randn(16, 6), torch.randint(3, (16,))
    embedding = model[2].embed(model[:2](features))
    losses = model[2].loss(embedding, labels)
    return F.cross_entropy(model[2].class_scores(embedding), labels) + losses["loss_mle"]


def train(model, wrapper, steps, scheduler=None):
    for step in steps:
        wrapper.update_params(make_loss(model, step))
        if scheduler is not None:
            scheduler.step()


def theta_of(model):
    return list(model[2].mixture.parameters())


def phi_of(model):
    own = {id(p) for p in theta_of(model)}
    return [p for p in model.parameters() if id(p) not in own]


def assert_same_parameters(model, other):
    for (name, value), twin in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(value, twin), name


class TestConstructor:
    def test_each_parameter_once_in_the_right_optimizer(self):
        model = make_model()
        optimizer = make_wrapper(model).optimizer
        assert isinstance(optimizer, JointOptimizer)
        sgd, adam = optimizer.optimizers
        assert isinstance(sgd, torch.optim.SGD) and isinstance(adam, torch.optim.Adam)

        def ids(part):
            return sorted(id(p) for group in part.param_groups for p in group["params"])

        assert ids(adam) == sorted(map(id, theta_of(model)))
        assert ids(sgd) == sorted(map(id, phi_of(model)))
        assert ids(optimizer) == sorted(map(id, model.parameters()))

    def test_settings(self):
        sgd, adam = make_wrapper(make_model()).optimizer.optimizers
        for name in ("lr", "momentum", "weight_decay"):
            assert sgd.param_groups[0][name] == SGD[name]
        group = adam.param_groups[0]
        assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-3, (0.9, 0.99), 0)
        _, adam = make_wrapper(make_model(), mixture=dict(lr=0.02)).optimizer.optimizers
        assert (adam.param_groups[0]["lr"], adam.param_groups[0]["betas"]) == (0.02, (0.9, 0.99))
        _, other = make_wrapper(make_model(), mixture=dict(type="SGD", lr=0.3)).optimizer.optimizers
        assert isinstance(other, torch.optim.SGD) and other.param_groups[0]["lr"] == 0.3

    def test_paramwise_options(self):
        model = make_model()
        paramwise = dict(
            custom_keys={"projection": dict(lr_mult=10.0, decay_mult=0.0), "mixture": dict()},
            bias_decay_mult=0.0,
        )
        optimizer = make_wrapper(model, paramwise_cfg=paramwise).optimizer
        settings = {id(p): g for g in optimizer.param_groups for p in g["params"]}
        assert len(settings) == sum(len(g["params"]) for g in optimizer.param_groups) == 6
        projection = settings[id(model[2].projection.weight)]
        assert projection["lr"] == pytest.approx(1.0) and projection["weight_decay"] == 0
        assert settings[id(model[0].weight)]["lr"] == 0.1
        assert settings[id(model[0].weight)]["weight_decay"] == 0.01
        assert settings[id(model[0].bias)]["weight_decay"] == 0
        assert settings[id(model[2].mixture.means)]["lr"] == 1e-3

    @pytest.mark.parametrize(
        ("clip", "name"),
        [(dict(max_norm=0.1), "grad_norm"), (dict(type="value", clip_value=0.1), "grad_value")],
    )
    def test_clipping_reaches_both(self, clip, name):
        model, cfg = make_model(), copy.deepcopy(clip)
        wrapper = make_wrapper(model, clip_grad=cfg)
        assert wrapper.grad_name == name
        make_loss(model, 0).mul(1000).backward()
        wrapper._clip_grad()
        grads = torch.cat([p.grad.flatten() for p in model.parameters()])
        size = grads.norm() if name == "grad_norm" else grads.abs().max()
        assert size.item() == pytest.approx(0.1, rel=1e-4)

    def test_any_wrapper(self):
        wrapper = make_wrapper(make_model(), type="mmosr.BFloat16OptimWrapper")
        assert type(wrapper).__name__ == "BFloat16OptimWrapper"
        assert len(wrapper.optimizer.optimizers) == 2

    def test_accumulation(self):
        model, other = make_model(), make_model()
        train(model, make_wrapper(model, accumulative_counts=2), range(2))
        wrapper = make_wrapper(other)
        # The losses are made first: accumulating must not have moved anything in between.
        (sum(make_loss(other, step) for step in range(2)) / 2).backward()
        wrapper.step()
        for value, twin in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(value, twin)

    def test_model_without_mixture(self):
        with pytest.raises(InputError, match="the model holds no Gaussian mixture"):
            make_wrapper(nn.Linear(3, 3))


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
