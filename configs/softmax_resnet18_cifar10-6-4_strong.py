# m-OvR, table I, strong augmentation: colour jitter, crop and flip, without self-supervision. The
# paper does not give the strength of the jitter. 200 epochs are 47,000 iterations.
_base_ = [
    "./_base_/models/resnet18_cifar.py",
    "./_base_/datasets/cifar10_6-4.py",
    "./_base_/schedules/image_sgd_200e_cosine.py",
    "./_base_/image_runtime.py",
]
model = dict(score=["msp", "max_logit", "entropy", "energy"], head=dict(num_classes=6))
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
param_scheduler = [dict(type="CosineAnnealingLR", begin=0, end=47000, eta_min=0, by_epoch=False)]
train_cfg = dict(max_iters=47000, val_interval=4700)
