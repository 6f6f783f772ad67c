# m-OvR, table I, strong augmentation. 200 epochs are 47,000 iterations.
_base_ = [
    "./_base_/models/resnet18_cifar.py",
    "./_base_/datasets/cifar10_6-4_strong.py",
    "./_base_/schedules/image_sgd_200e_cosine.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"), head=dict(num_classes=6))
param_scheduler = [dict(type="CosineAnnealingLR", begin=0, end=47000, eta_min=0, by_epoch=False)]
train_cfg = dict(max_iters=47000, val_interval=4700)
