_base_ = [
    "./_base_/models/resnet101_cifar.py",
    "./_base_/datasets/cifar100.py",
    "./_base_/schedules/image_sgd_200e_step.py",
    "./_base_/image_runtime.py",
]
model = dict(score=["msp", "max_logit", "entropy", "energy"], head=dict(num_classes=100))
# As mmpretrain's resnet50_8xb16_cifar100.py.
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
param_scheduler = [
    dict(type="MultiStepLR", milestones=[23460, 46920, 62560], gamma=0.2, by_epoch=False)
]
