# The rates are for 16 GPUs.
_base_ = [
    "./_base_/models/swin-b.py",
    "./_base_/datasets/imagenet_swin.py",
    "./_base_/schedules/imagenet_adamw_300e.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"))
