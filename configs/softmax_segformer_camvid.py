# MiT-B0 from random weights.
_base_ = [
    "./_base_/models/segformer_mit-b0.py",
    "./_base_/datasets/camvid.py",
    "./_base_/schedules/adamw_short.py",
    "./_base_/default_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(224, 224)),
    backbone=dict(init_cfg=None),
    decode_head=dict(num_classes=9, norm_cfg=dict(type="BN")),
)
