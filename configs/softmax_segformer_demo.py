_base_ = [
    "./_base_/models/segformer_mit-b0-half.py",
    "./_base_/datasets/demo.py",
    "./_base_/schedules/adamw_demo_short.py",
    "./_base_/default_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(96, 160)),
    decode_head=dict(num_classes=9),
)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=50))
