"""A small segmentor with maps that can be computed by hand."""

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from scipy.special import logsumexp, softmax
from torch import nn

from mmosr.registry import MODELS as MMOSR_MODELS
from mmosr.segmentation.fitting import fit_step

C, T = 4, 3.0  # classes, temperature of the mixture
POST_HOC = ["msp", "max_logit", "entropy", "energy"]
MIXTURE = ["likelihood", "likelihood_ratio", "centred_energy", "marginal"]


@MMOSR_MODELS.register_module(name="TestPixelBackbone", force=True)
class PixelBackbone(nn.Module):
    """A 1x1 convolution: every pixel of the output depends only on that pixel of the image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, inputs):
        return [self.conv(inputs).tanh()]


PIXELS = dict(type="mmosr.TestPixelBackbone")
RESNET = dict(
    type="ResNetV1c",
    depth=18,
    num_stages=2,
    strides=(1, 2),
    dilations=(1, 1),
    out_indices=(0, 1),
    base_channels=8,
    norm_cfg=dict(type="BN"),
)
PIXEL_HEAD = dict(in_channels=8, channels=8, num_convs=0, concat_input=False)
RESNET_HEAD = dict(in_channels=16, channels=8, num_convs=1, norm_cfg=dict(type="BN"))
HEADS = dict(
    lgmm=dict(
        type="mmosr.LGMMHead",
        host="FCNHead",
        classifier=dict(embed_dims=6, num_components=2, temperature=T, normalization="l2"),
    ),
    cac=dict(type="mmosr.CACHead", host="FCNHead", classifier=dict(test_anchors="fixed")),
    movr=dict(type="mmosr.MOvRHead", host="FCNHead"),
)


def build(
    head="plain", backbone=PIXELS, type="mmosr.OpenSetEncoderDecoder", test_cfg=None, **kwargs
):
    """A model with random, reproducible parameters; ``head``: plain or a key of ``HEADS``."""
    torch.manual_seed(0)
    decode_head = dict(PIXEL_HEAD if backbone is PIXELS else RESNET_HEAD, num_classes=C)
    decode_head.update(HEADS.get(head, dict(type="FCNHead")))
    cfg = dict(
        type=type,
        backbone=backbone,
        decode_head=decode_head,
        data_preprocessor=dict(type="SegDataPreProcessor"),
        test_cfg=ConfigDict(test_cfg or dict(mode="whole")),
    )
    model = MODELS.build({**cfg, **kwargs})
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
    return model.eval()


def image(size, seed=0):
    return torch.randn(3, *size, generator=torch.Generator().manual_seed(seed))


def predict(model, *images, ori_shape=None, **meta):
    """Samples of some images of one size, through ``test_step``."""
    size = tuple(images[0].shape[1:])
    samples = [
        SegDataSample(metainfo=dict(img_shape=size, ori_shape=ori_shape or size, **meta))
        for _ in images
    ]
    with torch.no_grad():
        return model.test_step(dict(inputs=list(images), data_samples=samples))


def reference(name, logits):
    """The score of class scores ``(C, H, W)`` in NumPy and float64."""
    logits = logits.double().numpy()
    posterior = softmax(logits, 0)
    likelihood = T * (logits + np.log(C))  # uniform prior
    return {
        "msp": 1 - posterior.max(0),
        "max_logit": -logits.max(0),
        "entropy": -(posterior * np.log(posterior)).sum(0) / np.log(C),
        "energy": -logsumexp(logits, 0),
        "likelihood": -likelihood.max(0),
        "likelihood_ratio": likelihood.mean(0) - likelihood.max(0),
        "centred_energy": -16 * logsumexp((likelihood - likelihood.mean(0)) / 16, 0),
        "marginal": np.log(C) - logsumexp(likelihood, 0),
    }[name]


def maps(sample):
    """Logits and all score maps of a sample, as one tensor."""
    scores = sample.pred_anomaly
    return torch.cat([sample.seg_logits.data, *(scores.get(key) for key in sorted(scores.keys()))])


def fit(model, *images, seed=0):
    """Fit every statistic of a model on some images with random labels."""
    generator = torch.Generator().manual_seed(seed)
    size = tuple(images[0].shape[1:])
    samples = [
        SegDataSample(
            metainfo=dict(img_shape=size, ori_shape=size),
            gt_sem_seg=PixelData(data=torch.randint(0, C, (1, *size), generator=generator)),
        )
        for _ in images
    ]
    parts = model.fitted_parts()
    for part in parts.values():
        part.begin_fit()
    fit_step(model, dict(inputs=list(images), data_samples=samples), parts)
    for part in parts.values():
        part.end_fit()
    return model
