# MiT-B0 at half the width, from random weights.
_base_ = [
    "./_base_/models/segformer_mit-b0.py",
    "./_base_/datasets/demo.py",
    "./_base_/schedules/adamw_short.py",
    "./_base_/default_runtime.py",
]
model = dict(
    score=["msp", "max_logit", "entropy", "energy"],
    data_preprocessor=dict(size=(96, 160)),
    backbone=dict(embed_dims=16, init_cfg=None),
    decode_head=dict(
        num_classes=9, in_channels=[16, 32, 80, 128], channels=64, norm_cfg=dict(type="BN")
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=30, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=1.0, begin=30, end=300, by_epoch=False),
]
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=50, max_keep_ckpts=2))
