"""What only works on a GPU, without a GPU."""

import pytest
import torch
from mmengine.config import Config

from mmosr.config.machine import enable_amp, fit_to_machine
from mmosr.utils import InputError

MODEL = dict(
    backbone=dict(norm_cfg=dict(type="SyncBN")),
    heads=[dict(norm_cfg=dict(type="SyncBN", momentum=0.1)), None],
)


def config(**more):
    wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1))
    return Config(dict(model=MODEL, optim_wrapper=wrapper, **more))


@pytest.fixture
def gpu(monkeypatch):
    return lambda there: monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


def test_without_a_gpu(gpu):
    gpu(False)
    cfg = config(env_cfg=dict(dist_cfg=dict(backend="nccl", timeout=9)))
    enable_amp(cfg)
    fit_to_machine(cfg)
    assert cfg.model.backbone.norm_cfg == dict(type="BN")
    assert cfg.model.heads[0].norm_cfg == dict(type="BN", momentum=0.1)
    assert cfg.env_cfg.dist_cfg == dict(backend="gloo", timeout=9)
    assert cfg.optim_wrapper == dict(
        type="mmosr.BFloat16OptimWrapper", optimizer=dict(type="SGD", lr=0.1)
    )


def test_with_a_gpu(gpu):
    gpu(True)
    cfg = config(env_cfg=dict(dist_cfg=dict(backend="nccl")))
    enable_amp(cfg)
    fit_to_machine(cfg)
    assert cfg.model.backbone.norm_cfg.type == "SyncBN"
    assert cfg.env_cfg.dist_cfg.backend == "nccl"
    assert cfg.optim_wrapper.type == "AmpOptimWrapper"
    assert cfg.optim_wrapper.loss_scale == "dynamic"


def test_amp_needs_a_wrapper_it_can_exchange():
    cfg = config()
    cfg.optim_wrapper.type = "ApexOptimWrapper"
    with pytest.raises(InputError, match="ApexOptimWrapper"):
        enable_amp(cfg)
