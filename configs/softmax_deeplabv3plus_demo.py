_base_ = [
    "./_base_/models/deeplabv3plus_r18.py",
    "./_base_/datasets/demo.py",
    "./_base_/schedules/sgd_short.py",
    "./_base_/default_runtime.py",
]
model = dict(
    score=["msp", "max_logit", "entropy", "energy"],
    data_preprocessor=dict(size=(128, 256)),
    backbone=dict(base_channels=32),
    decode_head=dict(
        num_classes=9, in_channels=256, channels=64, c1_in_channels=32, c1_channels=16
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=30, by_epoch=False),
    dict(type="PolyLR", eta_min=0, power=0.9, begin=30, end=300, by_epoch=False),
]
train_cfg = dict(max_iters=300, val_interval=300)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=50, max_keep_ckpts=2))
