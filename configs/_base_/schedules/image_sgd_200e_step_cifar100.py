# The same on CIFAR-100, as mmpretrain's resnet50_8xb16_cifar100.py.
_base_ = "./image_sgd_200e_step.py"
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
param_scheduler = [
    dict(type="MultiStepLR", milestones=[23460, 46920, 62560], gamma=0.2, by_epoch=False)
]
