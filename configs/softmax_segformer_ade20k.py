_base_ = [
    "./_base_/models/segformer_mit-b5.py",
    "./_base_/datasets/ade20k_512x512.py",
    "./_base_/schedules/adamw_160k.py",
    "./_base_/default_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=150),
)
