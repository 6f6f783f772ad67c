# CIFAR-10 6/4 with the strong augmentation of m-OvR, table I: colour jitter, crop and flip, without
# self-supervision. The paper does not give the strength of the jitter.
_base_ = "./cifar10_6-4.py"
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="mmosr.SeedDraw"),
            _base_.cifar10_images.load,
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, backend="cv2"),
            dict(type="RandomCrop", crop_size=32, padding=4),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackInputs"),
        ]
    )
)
