_base_ = [
    "./_base_/models/resnet101_cifar.py",
    "./_base_/datasets/cifar100.py",
    "./_base_/schedules/image_sgd_200e_step_cifar100.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"), head=dict(num_classes=100))
