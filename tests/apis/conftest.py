"""A tiny segmentor, its checkpoint and a few images of every kind."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

CONFIG = """
default_scope = 'mmseg'
norm_cfg = dict(type='BN')
model = dict(
    type='{kind}',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        type='ResNetV1c', depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
        base_channels=4, stem_channels=4, norm_cfg=norm_cfg),
    decode_head=dict(
        type='FCNHead', in_channels=4, channels=4, num_convs=1, concat_input=False,
        num_classes=3, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss')),
    test_cfg=dict(mode='whole'),
)
test_dataloader = dict(
    dataset=dict(
        type='BaseSegDataset',
        metainfo=dict(
            classes=('a', 'b', 'c'), palette=[[10, 20, 30], [40, 50, 60], [70, 80, 90]]),
        data_root='nowhere',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    ))
"""


def _write_config(path, kind):
    path.write_text(CONFIG.format(kind=kind))
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Folder with ``open.py`` (with scores), ``plain.py`` (without) and ``model.pth``."""
    root = tmp_path_factory.mktemp("model")
    config = Config.fromfile(_write_config(root / "open.py", "mmosr.OpenSetEncoderDecoder"))
    _write_config(root / "plain.py", "EncoderDecoder")
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, root / "model.pth")
    return root


def picture(seed, height=24, width=32):
    """A smooth picture with noise, (H, W, 3) BGR."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.fixture
def images(tmp_path):
    """Colour, grey, transparent and 16-bit images, equal base names, and one of another size."""
    root = tmp_path / "images"
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    cv2.imwrite(str(root / "a" / "x.png"), picture(0))
    cv2.imwrite(str(root / "b" / "x.png"), picture(1))
    cv2.imwrite(str(root / "b" / "x.jpg"), picture(2))
    cv2.imwrite(str(root / "gray.png"), picture(3)[..., 0])
    alpha = np.full((24, 32, 1), 7, np.uint8)
    cv2.imwrite(str(root / "rgba.png"), np.concatenate([picture(4), alpha], 2))
    cv2.imwrite(str(root / "wide.png"), picture(5, 24, 48).astype(np.uint16) * 257)
    return root
