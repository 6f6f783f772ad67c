"""The encoder's groups and rates stay, and the mixture has its own optimiser."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, init_default_scope
from torch import nn

from mmosr.engine import JointOptimizer
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .mixture_toy import SGD, make_loss, make_model, make_wrapper, phi_of, theta_of

OWN = "mmosr.MixtureOptimWrapperConstructor"
ADAMW = dict(type="AdamW", lr=2e-3, weight_decay=0.05)
# From published configs by scope: the constructor, its settings, and a small backbone of that kind.
LAYER_DECAY = {
    "ViT": (
        "mmpretrain",
        "LearningRateDecayOptimWrapperConstructor",
        dict(
            layer_decay_rate=0.65,
            bias_decay_mult=0.0,
            custom_keys={".cls_token": dict(decay_mult=0.0)},
        ),
        dict(
            type="VisionTransformer",
            arch=dict(embed_dims=8, num_layers=3, num_heads=2, feedforward_channels=16),
            img_size=16,
            patch_size=8,
        ),
    ),
    "ConvNeXt": (
        "mmseg",
        "LearningRateDecayOptimizerConstructor",
        dict(decay_rate=0.9, decay_type="stage_wise", num_layers=6),
        dict(
            type="mmpretrain.ConvNeXt",
            arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 8, 8]),
            out_indices=[0, 1, 2, 3],
            gap_before_final_norm=False,
        ),
    ),
    "BEiT": (
        "mmseg",
        "LayerDecayOptimizerConstructor",
        dict(num_layers=3, layer_decay_rate=0.9),
        dict(
            type="BEiT",
            img_size=16,
            patch_size=8,
            embed_dims=8,
            num_layers=3,
            num_heads=2,
            out_indices=[0, 1, 2],
            final_norm=False,
        ),
    ),
}


def make_host_model(scope, backbone):
    """A host's model with a mixture after its backbone."""
    init_default_scope(scope)
    head = dict(in_channels=8, num_classes=3, classifier=dict(embed_dims=4))
    if scope == "mmpretrain":
        model = dict(type="ImageClassifier", head=dict(type="mmosr.LGMMClsHead", **head))
    else:
        head = dict(head, type="mmosr.LGMMHead", host="FCNHead", channels=4)
        model = dict(type="EncoderDecoder", decode_head=head)
    return MODELS.build(dict(model, backbone=backbone))


def settings_of(model, wrapper):
    """Rate and decay of each parameter by name."""
    names = {id(p): name for name, p in model.named_parameters()}
    groups = wrapper.optimizer.param_groups
    found = [(names[id(p)], g["lr"], g["weight_decay"]) for g in groups for p in g["params"]]
    assert len(found) == len(names)
    return {name: (rate, decay) for name, rate, decay in found}


class TestEncoderConstructor:
    @pytest.mark.parametrize("network", LAYER_DECAY)
    def test_every_rate_is_that_of_the_hosts_constructor(self, network):
        scope, constructor, paramwise, backbone = LAYER_DECAY[network]
        model = make_host_model(scope, backbone)
        cfg = dict(optimizer=ADAMW, paramwise_cfg=paramwise)
        host = build_optim_wrapper(model, dict(cfg, constructor=constructor))
        own = build_optim_wrapper(
            model, dict(cfg, constructor=OWN, encoder_constructor=constructor)
        )
        expected = settings_of(model, host)
        assert len({rate for rate, _ in expected.values()}) >= 5
        theta = {name for name in expected if ".mixture." in name}
        assert len(theta) == 2
        expected.update(dict.fromkeys(theta, (1e-3, 0)))
        assert settings_of(model, own) == expected
        kinds = [type(part).__name__ for part in own.optimizer.optimizers]
        assert kinds == ["AdamW", "Adam"]

    @pytest.mark.parametrize("network", LAYER_DECAY)
    def test_keys_of_another_constructor_are_refused(self, network):
        scope, constructor, paramwise, backbone = LAYER_DECAY[network]
        model = make_host_model(scope, backbone)
        cfg = dict(constructor=OWN, optimizer=ADAMW, paramwise_cfg=paramwise)
        unused = [key for key in paramwise if key.startswith(("layer_", "decay_", "num_"))]
        message = (
            rf"^optim_wrapper.paramwise_cfg: {', '.join(unused)} would have no effect with "
            r"DefaultOptimWrapperConstructor: .*optim_wrapper\.encoder_constructor"
        )
        with pytest.raises(InputError, match=message):
            build_optim_wrapper(model, cfg)
        build_optim_wrapper(model, dict(cfg, encoder_constructor=constructor))

    def test_keys_that_are_no_settings(self):
        make_wrapper(make_model(), paramwise_cfg=dict(_delete=True, bias_decay_mult=0.0))

    def test_a_constructor_that_copies_its_settings(self):
        @OPTIM_WRAPPER_CONSTRUCTORS.register_module(name="TestCopies", force=True)
        class Copies:
            def __init__(self, optim_wrapper_cfg, paramwise_cfg):
                self.cfg, self.paramwise = optim_wrapper_cfg, dict(paramwise_cfg)

            def __call__(self, model):
                optimizer = dict(self.cfg["optimizer"], lr=self.paramwise["rate"])
                return build_optim_wrapper(model, dict(optimizer=optimizer))

        sgd, _ = make_wrapper(
            make_model(), encoder_constructor="TestCopies", paramwise_cfg=dict(rate=0.7)
        ).optimizer.optimizers
        assert [group["lr"] for group in sgd.param_groups] == [0.7]

    def test_the_model_is_left_as_it_was(self):
        model = make_model()
        before = {name: id(p) for name, p in model.named_parameters()}
        make_wrapper(model)
        assert {name: id(p) for name, p in model.named_parameters()} == before
        with pytest.raises(InputError):
            make_wrapper(model, paramwise_cfg=dict(num_layers=3))
        assert {name: id(p) for name, p in model.named_parameters()} == before


class TestWrapper:
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

    def test_model_without_mixture(self):
        with pytest.raises(InputError, match="the model holds no Gaussian mixture"):
            make_wrapper(nn.Linear(3, 3))
