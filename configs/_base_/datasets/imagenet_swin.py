# ImageNet as mmpretrain trains Swin on it, with augmentation that a resumed run repeats.
_base_ = "mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py"
train_dataloader = dict(
    sampler=dict(type="mmosr.SeededInfiniteSampler"),
    dataset=dict(pipeline=[dict(type="mmosr.SeedDraw"), *_base_.train_pipeline]),
)
