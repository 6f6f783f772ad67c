_base_ = [
    "./_base_/models/crosr_vgg13.py",
    "./_base_/datasets/cifar10_4-2.py",
    "./_base_/schedules/image_sgd_short.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"), head=dict(num_classes=4))
