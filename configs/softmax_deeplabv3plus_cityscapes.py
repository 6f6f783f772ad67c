_base_ = [
    "./_base_/models/deeplabv3plus_r101.py",
    "./_base_/datasets/cityscapes_769x769.py",
    "./_base_/schedules/sgd_80k.py",
    "./_base_/default_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(769, 769)),
    decode_head=dict(align_corners=True),
    auxiliary_head=dict(align_corners=True),
    test_cfg=dict(mode="slide", crop_size=(769, 769), stride=(513, 513)),
)
