"""A small model with a Gaussian mixture, and the optimiser wrapper of it."""

import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from mmosr.methods import GaussianMixtureClassifier

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


def theta_of(model):
    return list(model[2].mixture.parameters())


def phi_of(model):
    own = {id(p) for p in theta_of(model)}
    return [p for p in model.parameters() if id(p) not in own]
