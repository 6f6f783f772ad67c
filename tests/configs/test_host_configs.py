"""A user's own config that inherits one of mmsegmentation's, through all the tools."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from mmosr.config.loading import load_config

SIZE = (48, 64)
# What is inherited, the type of the segmentor, and what makes the network small and random.
USERS = {
    "segformer": (
        "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py",
        "EncoderDecoder",
        "backbone=dict(init_cfg=None, embed_dims=16),"
        "decode_head=dict(in_channels=[16, 32, 80, 128], channels=16)",
    ),
    "deeplabv3plus": (
        "deeplabv3plus/deeplabv3plus_r50-d8_4xb4-160k_ade20k-512x512.py",
        "EncoderDecoder",
        "pretrained=None, backbone=dict(depth=18, base_channels=4, stem_channels=4),"
        "decode_head=dict(in_channels=32, channels=8, c1_in_channels=4, c1_channels=4),"
        "auxiliary_head=dict(in_channels=16, channels=4)",
    ),
    "ocrnet": (
        "ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py",
        "CascadeEncoderDecoder",
        "pretrained=None, backbone=dict(extra=dict("
        "stage1=dict(num_blocks=(1,)), stage2=dict(num_blocks=(1, 1)),"
        "stage3=dict(num_modules=1, num_blocks=(1, 1, 1)),"
        "stage4=dict(num_modules=1, num_blocks=(1, 1, 1, 1))))",
    ),
    "upernet": (
        "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
        "EncoderDecoder",
        "backbone=dict(init_cfg=None, embed_dims=12, depths=[1, 1, 1, 1], num_heads=[1, 2, 3, 6]),"
        "decode_head=dict(in_channels=[12, 24, 48, 96], channels=8),"
        "auxiliary_head=dict(in_channels=48, channels=8)",
    ),
}
CONFIG = """
_base_ = ['mmseg::{base}']
model = dict({model})
data_root = '{root}'
loader = dict(batch_size=2, num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(data_root=data_root), **loader)
val_dataloader = dict(dataset=dict(data_root=data_root), **loader)
test_dataloader = dict(
    dataset=dict(
        type='mmosr.OpenSetADE20KDataset',
        mark_unknown=True,
        data_root=data_root,
        data_prefix=dict(img_path='images/testing', seg_map_path='annotations/testing'),
    ),
    **loader)
test_evaluator = dict(_delete_=True, type='mmosr.OpenSetMetric')
train_cfg = dict(max_iters=1, val_interval=1)
randomness = dict(seed=0)
"""
# As a user would shrink the host's pipelines for a first try.
OPTIONS = [
    "train_dataloader.dataset.pipeline.2.scale=(64,48)",
    "train_dataloader.dataset.pipeline.3.crop_size=(64,64)",
    "val_dataloader.dataset.pipeline.1.scale=(64,48)",
    "test_dataloader.dataset.pipeline.1.scale=(64,48)",
    "model.data_preprocessor.size=(64,64)",
]


@pytest.fixture(scope="session")
def ade20k(tmp_path_factory):
    """Two images per split in the layout of ADE20K; those of the test also contain 254."""
    root, generator = tmp_path_factory.mktemp("ade"), np.random.default_rng(0)
    for split in ("training", "validation", "testing"):
        for name in ("a", "b"):
            label = generator.integers(0, 151, SIZE, dtype=np.uint8)
            if split == "testing":
                label[10:30, 20:50] = 254
            image = generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            for folder, array, suffix in (("images", image, "jpg"), ("annotations", label, "png")):
                path = root / folder / split / f"{name}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


@pytest.mark.parametrize("network", USERS)
def test_through_the_tools(call, metrics, ade20k, tmp_path, network):
    base, kind, model = USERS[network]
    path = tmp_path / f"{network}.py"
    path.write_text(CONFIG.format(base=base, model=model, root=ade20k))
    cfg = load_config(path)
    assert cfg.model.type == kind  # still mmseg's
    assert cfg.train_dataloader.dataset.type == "ADE20KDataset"
    assert cfg.train_dataloader.dataset.data_root == str(ade20k)

    work_dir = tmp_path / "run"
    call("train", path, "--work-dir", work_dir, "--cfg-options", *OPTIONS)
    checkpoint = work_dir / "iter_1.pth"
    assert checkpoint.is_file()
    arguments = [path, checkpoint, "--work-dir", tmp_path / "test", "--scores", "msp", "energy"]
    call("test", *arguments, "--cfg-options", *OPTIONS)
    figures = metrics(tmp_path / "test")
    assert {"mIoU", "msp/AUROC", "energy/AUROC", "energy/FPR95"} <= figures.keys()

    out = tmp_path / "maps"
    images = ade20k / "images" / "testing"
    call(
        *("export_heatmaps", path, checkpoint, images, "--out-dir", out, "--device", "cpu"),
        *("--scores", "energy", "--cfg-options", *OPTIONS),
    )
    labels = [
        np.array(Image.open(ade20k / "annotations" / "testing" / f"{name}.png")) for name in "ab"
    ]
    scores = [np.load(out / f"{name}_score.npy").reshape(SIZE) for name in "ab"]
    known = np.stack(labels) != 0  # 0 is 'other' in the files of ADE20K
    auroc = roc_auc_score((np.stack(labels) == 254)[known], np.stack(scores)[known])
    assert figures["energy/AUROC"] == pytest.approx(100 * auroc, abs=0.01)
