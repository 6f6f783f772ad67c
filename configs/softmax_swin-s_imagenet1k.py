# The rates are for 16 GPUs.
_base_ = [
    "./_base_/models/swin-s.py",
    "mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py",
    "./_base_/schedules/imagenet_adamw_300e.py",
    "./_base_/image_runtime.py",
]
model = dict(score=["msp", "max_logit", "entropy", "energy"])
train_dataloader = dict(
    sampler=dict(type="mmosr.SeededInfiniteSampler"),
    dataset=dict(pipeline=[dict(type="mmosr.SeedDraw"), *_base_.train_pipeline]),
)
