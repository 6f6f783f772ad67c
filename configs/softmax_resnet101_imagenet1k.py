# The rates are for 8 GPUs.
_base_ = [
    "./_base_/models/resnet101.py",
    "./_base_/datasets/imagenet_resnet.py",
    "./_base_/schedules/imagenet_sgd_100e.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"))
