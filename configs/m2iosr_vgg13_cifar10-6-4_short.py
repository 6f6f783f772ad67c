# Narrower discriminators, which take most of the time of a step.
_base_ = [
    "./_base_/models/m2iosr_vgg13.py",
    "./_base_/datasets/cifar10_6-4.py",
    "./_base_/schedules/image_sgd_short.py",
    "./_base_/image_runtime.py",
]
model = dict(
    score=["msp", "max_logit", "entropy", "energy"],
    head=dict(num_classes=6),
    information=dict(hidden=128),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"information": dict(lr_mult=10)}))
