# Schedule and augmentation of CAC, table 1: those of its published code.
_base_ = [
    "./_base_/models/osrcinet.py",
    "./_base_/datasets/cifar10_6-4.py",
    "./_base_/schedules/image_sgd_175e.py",
    "./_base_/image_runtime.py",
]
model = dict(score=["msp", "max_logit", "entropy", "energy"], head=dict(num_classes=6))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="mmosr.SeedDraw"),
            _base_.cifar10_images.load,
            dict(type="RandomResizedCrop", scale=32, crop_ratio_range=(0.8, 1.0)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="Rotate", magnitude_range=(0, 10), magnitude_std="inf", prob=1.0, pad_val=0),
            dict(type="PackInputs"),
        ]
    )
)
