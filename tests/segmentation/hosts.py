"""mmseg's decode heads: tiny arguments of each, and what each can be used for."""

from dataclasses import dataclass, field

import torch
from torch import nn

from mmosr.registry import MODELS

NUM_CLASSES = 4
CHANNELS = (6, 8, 10, 12)


@MODELS.register_module(name="TestPyramid", force=True)
class Pyramid(nn.Module):
    """Four convolutions in a chain, so that the last map trains all of them."""

    def __init__(self, strides=(1, 2, 2, 2)):
        super().__init__()
        dims = zip((3, *CHANNELS), CHANNELS, strides, strict=False)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, s, 1) for i, o, s in dims)

    def forward(self, inputs):
        maps = []
        for conv in self.convs:
            inputs = conv(inputs).tanh()
            maps.append(inputs)
        return maps


PYRAMID = dict(type="mmosr.TestPyramid")
LEVEL = dict(type="mmosr.TestPyramid", strides=(2, 1, 1, 1))  # every map of one size
VIT = dict(
    type="VisionTransformer",
    img_size=(32, 48),
    patch_size=8,
    embed_dims=12,
    num_layers=4,
    num_heads=2,
    out_indices=(0, 1, 2, 3),
    final_norm=True,
    output_cls_token=True,
)
_BN = dict(type="BN")
_LAST = dict(in_channels=12, in_index=3, channels=8, norm_cfg=_BN)
_LAST_TWO = dict(_LAST, in_channels=[10, 12], in_index=[2, 3])
_ALL = dict(_LAST, in_channels=list(CHANNELS), in_index=[0, 1, 2, 3])
_KERNEL_UPDATE = dict(
    type="KernelUpdateHead",
    num_classes=NUM_CLASSES,
    num_heads=2,
    num_ffn_fcs=2,
    feedforward_channels=16,
    in_channels=8,
    out_channels=8,
    feat_transform_cfg=dict(conv_cfg=dict(type="Conv2d"), act_cfg=None),
    kernel_updator_cfg=dict(
        type="KernelUpdator",
        in_channels=8,
        feat_channels=8,
        out_channels=8,
        norm_cfg=dict(type="LN"),
    ),
)


@dataclass(frozen=True)
class Host:
    """A decode head: its arguments, and the reasons if it is rejected."""

    cfg: dict = field(default_factory=dict)
    backbone: dict = field(default_factory=lambda: PYRAMID)
    size: tuple[int, int] = (32, 48)
    scores: str = ""  # why post-hoc scores are rejected
    features: bool = True  # post-hoc scores of the features
    open_set: str = ""  # why open-set heads are rejected
    cascade: bool = False
    operator: str = ""  # what it takes from mmcv.ops
    compiled: bool = False  # that operator is not written in Python


OWN_LOSS = r"has a loss of its own \(loss"
MASKS = "sums of mask scores"
HOSTS = {
    "ANNHead": Host(dict(_LAST_TWO, project_channels=4, key_pool_scales=(1, 2))),
    "APCHead": Host(dict(_LAST, pool_scales=(1, 2))),
    "ASPPHead": Host(dict(_LAST, dilations=(1, 2))),
    "CCHead": Host(_LAST, operator="CrissCrossAttention"),
    "DAHead": Host(dict(_LAST, pam_channels=4), open_set=OWN_LOSS),
    "DDRHead": Host(
        dict(in_channels=32, channels=8, norm_cfg=_BN),
        dict(type="DDRNet", channels=8, ppm_channels=8),
        size=(64, 96),
        open_set=OWN_LOSS,
    ),
    "DMHead": Host(dict(_LAST, filter_sizes=(1, 3))),
    "DNLHead": Host(_LAST),
    "DPTHead": Host(
        dict(
            in_channels=[12] * 4,
            in_index=[0, 1, 2, 3],
            input_transform="multiple_select",
            channels=8,
            embed_dims=12,
            post_process_channels=[4, 4, 4, 4],
        ),
        VIT,
    ),
    "DepthwiseSeparableASPPHead": Host(
        dict(_LAST, dilations=(1, 2), c1_in_channels=6, c1_channels=4)
    ),
    "DepthwiseSeparableFCNHead": Host(_LAST),
    "EMAHead": Host(dict(_LAST, ema_channels=8, num_bases=4, num_stages=2)),
    "EncHead": Host(dict(_LAST_TWO, num_codes=4), open_set=OWN_LOSS),
    "FCNHead": Host(dict(_LAST, num_convs=1)),
    "FPNHead": Host(dict(_ALL, feature_strides=[1, 2, 4, 8])),
    "GCHead": Host(_LAST),
    "ISAHead": Host(dict(_LAST, isa_channels=4, down_factor=(2, 2))),
    "IterativeDecodeHead": Host(
        dict(
            num_stages=1,
            kernel_generate_head=dict(_LAST, type="FCNHead", num_classes=NUM_CLASSES),
            kernel_update_head=[_KERNEL_UPDATE],
        ),
        features=False,
        open_set=OWN_LOSS,
    ),
    "LRASPPHead": Host(
        dict(
            _LAST,
            in_channels=CHANNELS[1:],
            in_index=(1, 2, 3),
            input_transform="multiple_select",
            branch_channels=(4, 4),
        ),
        dict(type="mmosr.TestPyramid", strides=(1, 1, 1, 1)),
        size=(50, 56),  # it pools windows of 49 x 49
    ),
    "LightHamHead": Host(dict(_LAST_TWO, ham_channels=8, ham_kwargs=dict(MD_R=4))),
    "Mask2FormerHead": Host(scores=MASKS, open_set="is not derived from BaseDecodeHead"),
    "MaskFormerHead": Host(scores=MASKS, open_set="is not derived from BaseDecodeHead"),
    "NLHead": Host(_LAST),
    "OCRHead": Host(dict(_LAST, ocr_channels=4), cascade=True),
    "PIDHead": Host(
        dict(in_channels=32, channels=8, norm_cfg=_BN),
        dict(type="PIDNet", channels=8, ppm_channels=8),
        size=(64, 96),
        open_set=OWN_LOSS,
    ),
    "PSAHead": Host(
        dict(_LAST, mask_size=(4, 6), shrink_factor=1), operator="PSAMask", compiled=True
    ),
    "PSPHead": Host(dict(_LAST, pool_scales=(1, 2))),
    "PointHead": Host(
        dict(in_channels=[6], in_index=[0], channels=8),
        cascade=True,
        features=False,
        open_set=OWN_LOSS,
        operator="point_sample",
    ),
    "SETRMLAHead": Host(dict(_ALL, mla_channels=2, up_scale=2), LEVEL),
    "SETRUPHead": Host(dict(_LAST, up_scale=2)),
    "STDCHead": Host(dict(_LAST, num_convs=1), scores="the borders", open_set=OWN_LOSS),
    "SegformerHead": Host(_ALL),
    "SegmenterMaskTransformerHead": Host(
        dict(in_channels=12, in_index=3, channels=12, num_layers=1, num_heads=2, embed_dims=12),
        features=False,
        open_set="does not end in conv_seg",
    ),
    "SideAdapterCLIPHead": Host(scores=MASKS, open_set=OWN_LOSS),
    "UPerHead": Host(dict(_ALL, pool_scales=(1, 2))),
    "VPDDepthHead": Host(scores="a depth map", open_set=OWN_LOSS),
}


def images(size):
    """Two random images ``(3, H, W)``."""
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(2, 3, *size, generator=generator))
