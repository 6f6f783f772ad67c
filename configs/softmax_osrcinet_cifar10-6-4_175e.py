# Schedule and augmentation of CAC, table 1: those of its published code.
_base_ = [
    "./_base_/models/osrcinet.py",
    "./_base_/datasets/cifar10_6-4_rotated.py",
    "./_base_/schedules/image_sgd_175e.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"), head=dict(num_classes=6))
