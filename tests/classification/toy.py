"""Small image classifiers with scores that can be computed by hand."""

import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from mmosr.registry import MODELS as MMOSR_MODELS

C, D = 4, 8
OPEN_SET = dict(in_channels=D, num_classes=C)
HEADS = dict(
    lgmm=dict(
        type="mmosr.LGMMClsHead",
        classifier=dict(embed_dims=6, num_components=2, temperature=3.0, normalization="l2"),
    ),
    cac=dict(type="mmosr.CACClsHead"),
    movr=dict(type="mmosr.MOvRClsHead"),
    rpl=dict(type="mmosr.RPLClsHead"),
    cpn=dict(type="mmosr.CPNClsHead"),
    linear=dict(type="mmosr.OpenSetClsHead", classifier=dict(type="mmosr.LinearClassifier")),
)


@MMOSR_MODELS.register_module(name="TestImageBackbone", force=True)
class ImageBackbone(nn.Module):
    """Means over the image of a 1x1 convolution and of the left half, then tanh.

    Args:
        layout: ``rows``: ``(N, D)``; ``maps``: ``(N, D, 1, 1)``; ``tokens``: a list of patch tokens
            and the class token; ``two tokens``: class and distillation token as well; ``branches``:
            rows and rows, as of a network of two branches.
    """

    def __init__(self, layout="rows"):
        super().__init__()
        self.conv, self.layout = nn.Conv2d(3, D, 1), layout

    def forward(self, inputs):
        maps = self.conv(inputs).tanh()
        rows = maps[..., : inputs.shape[3] // 2].mean((2, 3))
        last = {
            "rows": rows,
            "maps": rows[..., None, None],
            "tokens": [maps, rows],
            "two tokens": [maps, rows, rows.flip(1)],
            "branches": [rows, rows.flip(1)],
        }[self.layout]
        return maps, last


def build(head="plain", layout="rows", type="mmosr.OpenSetImageClassifier", seed=0, **kwargs):
    """A model with random, reproducible parameters; ``head``: plain, a key of ``HEADS``, a dict."""
    init_default_scope("mmpretrain")
    torch.manual_seed(seed)
    if head == "plain":
        head = dict(type="LinearClsHead")
    head = dict(OPEN_SET, **(HEADS[head] if isinstance(head, str) else head))
    backbone = dict(type="mmosr.TestImageBackbone", layout=layout)
    model = MODELS.build(dict(type=type, backbone=backbone, head=head, **kwargs))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model.eval()


def images(count=6, size=(5, 6), seed=0):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def labelled(labels):
    """Data samples of labels ``(N,)``."""
    samples = [DataSample(metainfo=dict(img_path=f"{i}.png")) for i in range(len(labels))]
    for sample, label in zip(samples, labels, strict=True):
        sample.set_gt_label(int(label))
    return samples


def random_labels(count, classes=C, seed=0):
    return torch.randint(classes, (count,), generator=torch.Generator().manual_seed(seed))


def predict(model, inputs):
    """Samples through ``test_step``, as in a test loop."""
    data = dict(inputs=list(inputs), data_samples=[DataSample() for _ in inputs])
    with torch.no_grad():
        return model.test_step(data)


def features_of(model, inputs):
    """Features ``(N, D)`` of the toy backbone."""
    with torch.no_grad():
        maps = model.backbone.conv(inputs).tanh()
    return maps[..., : inputs.shape[3] // 2].mean((2, 3))


def fit(model, *batches):
    """Fit every statistic of a model on batches of images and labels."""
    parts = model.fitted_parts()
    for part in parts.values():
        part.begin_fit()
        part.training = part is model.classifier
    for inputs, labels in batches:
        model.fit_step(dict(inputs=list(inputs), data_samples=labelled(labels)), parts)
    for part in parts.values():
        part.end_fit()
        part.training = False
    return model
