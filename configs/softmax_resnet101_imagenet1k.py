# The rates are for 8 GPUs.
_base_ = [
    "./_base_/models/resnet101.py",
    "mmpretrain::_base_/datasets/imagenet_bs32.py",
    "./_base_/schedules/imagenet_sgd_100e.py",
    "./_base_/image_runtime.py",
]
model = dict(score=["msp", "max_logit", "entropy", "energy"])
train_dataloader = dict(
    sampler=dict(type="mmosr.SeededInfiniteSampler"),
    dataset=dict(pipeline=[dict(type="mmosr.SeedDraw"), *_base_.train_pipeline]),
)
