"""A small M2IOSR with parts that can be computed by hand."""

import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn

from mmosr.registry import MODELS as MMOSR_MODELS

from .toy import images, labelled, random_labels

C, J, TOP, SIZE = 4, 5, 7, 12
INFORMATION = dict(map_channels=(4, 6), map_size=6, hidden=8, conv_channels=(3, 3))
SGD = dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.01)
FIRST, SECOND = ("backbone", "information", "gaussians"), ("backbone", "head")


@MMOSR_MODELS.register_module(name="TestMapBackbone", force=True)
class MapBackbone(nn.Module):
    """The interface of CROSRVGG13 on images of 12 x 12: maps of 6 x 6 and 3 x 3."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Tanh())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.Tanh())
        self.third = nn.Conv2d(6, TOP, 3)
        self.latent = nn.Linear(TOP, J)

    def maps(self, x):
        wide = self.first(x)
        narrow = self.second(wide)
        return wide, narrow, self.third(narrow).flatten(1)

    def forward(self, x):
        wide, narrow, top = self.maps(x)
        return wide, narrow, self.latent(top)


def build(seed=0, **options):
    init_default_scope("mmpretrain")
    torch.manual_seed(seed)
    config = dict(
        type="mmosr.M2IOSR",
        backbone=dict(type="mmosr.TestMapBackbone"),
        head=dict(type="LinearClsHead", in_channels=J, num_classes=C),
        information=INFORMATION,
    )
    model = MODELS.build({**config, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.train()


def batch(count=6, seed=0, labels=None):
    labels = random_labels(count, C, seed) if labels is None else labels
    return dict(inputs=list(images(count, (SIZE, SIZE), seed)), data_samples=labelled(labels))


def stacked(data):
    labels = torch.cat([sample.gt_label for sample in data["data_samples"]])
    return torch.stack(data["inputs"]), labels


def parts(model):
    """Names of parameters by part of the model."""
    return {name: name.split(".")[0] for name, _ in model.named_parameters()}
