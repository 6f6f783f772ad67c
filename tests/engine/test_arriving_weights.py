"""Weights are compared as they arrive in the model, after its own conversions."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn

from mmosr.engine.checkpoint import check_fits, check_safe, load_checkpoint_strict, read_checkpoint
from mmosr.engine.fit_checkpoint import load_to_fit
from mmosr.utils import InputError

NORM = dict(mean=[120.0] * 3, std=[60.0] * 3)


class Converting(nn.Module):
    """Renames, resizes and removes keys while loading."""

    def __init__(self, size=3):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(size))
        self.register_buffer("table", torch.arange(size))
        self.layer = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.add_module("absent", None)
        self._register_load_state_dict_pre_hook(self.convert)

    def convert(self, state, prefix, *_):
        if prefix + "old.weight" in state:
            state[prefix + "layer.weight"] = state.pop(prefix + "old.weight")
        key = prefix + "positions"
        if key in state and len(state[key]) != len(self.positions):
            state[key] = state[key].mean().expand(len(self.positions))
        state.pop(prefix + "table", None)


def nested(**options):
    return nn.Sequential(nn.Linear(1, 1), Converting(**options))


def save(path, state):
    torch.save({"state_dict": state}, path)
    return path


def refusal(model, state):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError) as info:
        check_fits(model, {"state_dict": state}, "x.pth")
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    return str(info.value)


class TestConversions:
    def test_what_the_model_converts_is_loaded_converted(self, tmp_path):
        source, model = nested(), nested(size=5)
        state = source.state_dict()
        state["1.positions"] = torch.tensor([1.0, 2.0, 6.0])
        state["1.old.weight"] = state.pop("1.layer.weight")
        path = save(tmp_path / "x.pth", state)
        check_safe(path, model=model)
        assert not torch.equal(model[1].layer.weight, source[1].layer.weight)  # only compared
        load_checkpoint_strict(model, path)
        assert torch.equal(model[1].layer.weight, source[1].layer.weight)
        assert torch.equal(model[1].positions, torch.full((5,), 3.0))
        assert torch.equal(model[1].table, torch.arange(5))

    def test_what_is_taken_out_anyway_may_lack(self, tmp_path):
        state = nested().state_dict()
        del state["1.table"]
        load_checkpoint_strict(nested(), save(tmp_path / "x.pth", state))

    def test_versions_are_those_of_the_file(self, tmp_path):
        """torch's own conversion: batch normalisation had no counter before version 2."""
        state = nested().state_dict()
        del state["1.norm.num_batches_tracked"]
        assert "1 missing (1.norm.num_batches_tracked);" in refusal(nested(), state)
        wrapped = type(state)((f"module.{key}", value) for key, value in state.items())
        versions = state._metadata.items()
        wrapped._metadata = {f"module.{key}" if key else "module": v for key, v in versions}
        assert "1 missing (1.norm.num_batches_tracked);" in refusal(nested(), wrapped)
        state._metadata["1.norm"] = {"version": 1}
        load_checkpoint_strict(nested(), save(tmp_path / "x.pth", state))

    def test_the_model_is_left_without_traces(self):
        model = nested()
        hooks = [len(module._load_state_dict_pre_hooks) for module in model.modules()]
        check_fits(model, {"state_dict": model.state_dict()}, "x.pth")
        refusal(model, {"1.positions": torch.zeros(3)})
        assert hooks == [len(module._load_state_dict_pre_hooks) for module in model.modules()]


class TestRefusals:
    def test_what_is_not_converted(self):
        state = nested().state_dict()
        state["1.old.weight"] = torch.zeros(4, 2)
        state["1.old.bias"] = state["1.absent.weight"] = torch.zeros(2)
        del state["1.layer.weight"], state["0.bias"], state["1.norm.bias"]
        assert refusal(nested(), state) == (
            "checkpoint x.pth is for another model: keys 2 missing (0.bias, 1.norm.bias), "
            "2 unexpected (1.old.bias, 1.absent.weight), 1 of another shape "
            "(1.layer.weight (4, 2) instead of (2, 2)); use the config it was trained with"
        )

    def test_a_conversion_that_fails(self):
        state = nested().state_dict()
        state["1.positions"] = torch.tensor(0.0)
        assert refusal(nested(), state) == (
            "checkpoint x.pth is for another model: keys 1 of another shape (1.positions () "
            "instead of (3,)), not converted by the model (TypeError: len() of a 0-d tensor); "
            "use the config it was trained with"
        )


def swin(version, size, window):
    arch = dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2])
    extra = dict(extra_norm_every_n_blocks=0) if version == "V2" else {}
    kind = f"SwinTransformer{version}"
    return dict(
        type=kind, arch={**arch, **extra}, img_size=size, window_size=window, out_indices=(1,)
    )


def transformer(kind, size, **options):
    arch = dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8)
    return dict(type=kind, arch=arch, img_size=size, patch_size=4, **options)


def build(backbone, channels):
    init_default_scope("mmpretrain")
    head = dict(type="LinearClsHead", num_classes=3, in_channels=channels)
    neck = None if "patch_size" in backbone else dict(type="GlobalAveragePooling")
    model = dict(
        type="mmosr.OpenSetImageClassifier",
        score="msp",
        backbone=backbone,
        neck=neck,
        head=head,
        data_preprocessor=NORM,
    )
    torch.manual_seed(0)
    return MODELS.build(Config(model)).eval()


HOSTS = {
    "resnet": lambda size: (dict(type="ResNet", depth=18, base_channels=4), 32),
    "vit": lambda size: (transformer("VisionTransformer", size), 8),
    "swin": lambda size: (swin("", size, 4), 16),
    "swin_v2": lambda size: (swin("V2", size, [4, 4]), 16),
    "beit": lambda size: (
        transformer("BEiTViT", size, use_abs_pos_emb=True, use_rel_pos_bias=False),
        8,
    ),
}


class TestHosts:
    @pytest.mark.parametrize("size", [32, 48])
    @pytest.mark.parametrize("name", HOSTS)
    def test_own_weights_at_any_image_size(self, tmp_path, name, size):
        source = build(*HOSTS[name](32))
        path = save(tmp_path / "x.pth", source.state_dict())
        model = build(*HOSTS[name](size))
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        check_safe(path, model=model)
        load_to_fit(model, read_checkpoint(path), [], str(path))
        fitting = {key: value.clone() for key, value in model.state_dict().items()}
        load_checkpoint_strict(model, path)
        own = model.state_dict()
        for key, value in source.state_dict().items():
            assert own[key].shape != value.shape or torch.equal(own[key], value), key
            assert torch.equal(own[key], fitting[key]), key
        with torch.no_grad():
            images = torch.randn(2, 3, size, size)
            if size == 32:
                assert torch.equal(model.logits_function(images), source.logits_function(images))
            else:
                assert model.logits_function(images).std() > 0

    def test_another_width_is_refused(self):
        source = build(*HOSTS["vit"](32)).state_dict()
        wide = HOSTS["vit"](48)[0]
        wide["arch"]["embed_dims"] = 16
        text = refusal(build(wide, 16), source)
        assert re.search(r"keys \d+ of another shape \(backbone.cls_token", text), text
