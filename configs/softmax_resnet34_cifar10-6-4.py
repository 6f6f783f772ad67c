_base_ = [
    "./_base_/models/resnet34_cifar.py",
    "./_base_/datasets/cifar10_6-4.py",
    "./_base_/schedules/image_sgd_200e_step.py",
    "./_base_/image_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(score=_base_.pop("post_hoc"), head=dict(num_classes=6))
# 200 epochs of 30,000 images.
param_scheduler = [dict(type="MultiStepLR", milestones=[23500, 35250], gamma=0.1, by_epoch=False)]
train_cfg = dict(max_iters=47000, val_interval=4700)
