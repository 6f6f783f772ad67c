# The paper's schedule is lost: optimiser as in docs/m2iosr.md, length and decay of m-OvR.
_base_ = [
    "./_base_/models/m2iosr_vgg13.py",
    "./_base_/datasets/cifar10_6-4.py",
    "./_base_/schedules/image_sgd_20k.py",
    "./_base_/image_runtime.py",
]
model = dict(score=["msp", "max_logit", "entropy", "energy"], head=dict(num_classes=6))
optim_wrapper = dict(
    optimizer=dict(lr=0.05, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={"information": dict(lr_mult=10)}),
)
