# CIFAR-10 6/4 with the augmentation of CAC's published code.
_base_ = "./cifar10_6-4.py"
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
