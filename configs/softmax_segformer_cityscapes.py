_base_ = [
    "./_base_/models/segformer_mit-b5.py",
    "./_base_/datasets/cityscapes_1024x1024.py",
    "./_base_/schedules/adamw_160k.py",
    "./_base_/default_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(1024, 1024)),
    test_cfg=dict(mode="slide", crop_size=(1024, 1024), stride=(768, 768)),
)
