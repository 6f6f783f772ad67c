"""A small PROSER with logits that can be computed by hand."""

import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmosr.registry import MODELS as MMOSR_MODELS

from .toy import OPEN_SET, D, labelled

M, SEED, GAMMA = 2, 5, 0.3
HEAD = dict(type="mmosr.PROSERClsHead", classifier=dict(num_placeholders=M))
LABELS = torch.tensor([0, 1, 2, 3, 1, 0, 2, 2, 3, 1])


@MMOSR_MODELS.register_module(name="TestLayeredBackbone", force=True)
class LayeredBackbone(nn.Module):
    """Layers without batch norm: the result for an image does not depend on the others."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3)
        self.act = nn.Tanh()
        self.stages = nn.ModuleList([nn.Conv2d(5, 6, 1), nn.Conv2d(6, D, 1)])
        self.twins = nn.Identity()

    def after(self, x):
        """From the output of the first stage to the features."""
        x, _ = self.twins((x, x))
        return self.act(self.stages[1](self.act(x))).mean((2, 3))

    def forward(self, x):
        return (self.after(self.stages[0](self.act(self.first(x)))),)


def build(head=HEAD, backbone=None, **options):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    config = dict(
        type="mmosr.PROSER",
        backbone=backbone or dict(type="mmosr.TestLayeredBackbone"),
        head=dict(head, **OPEN_SET),
        mix_at="stages.0",
        mix_weight=GAMMA,
    )
    model = MODELS.build({**config, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model.train()


def losses_of(model, inputs, labels=LABELS, seed=SEED):
    torch.manual_seed(seed)
    return model(inputs, labelled(labels), mode="loss")


def augmented(model, features):
    """The C + 1 logits of the paper for each image, from features ``(N, D)``."""
    classifier = model.classifier
    known = F.linear(features, classifier.projection.weight, classifier.projection.bias)
    free = F.linear(features, classifier.placeholders.weight, classifier.placeholders.bias)
    return [[*k.tolist(), max(p.tolist())] for k, p in zip(known, free, strict=True)]
