_base_ = [
    "./_base_/models/resnet18_cifar.py",
    "./_base_/datasets/cifar10.py",
    "./_base_/schedules/image_sgd_200e_cosine.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"), head=dict(num_classes=10))
