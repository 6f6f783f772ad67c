# CIFAR-10, all classes known, with the weak augmentation of the papers: translation and flip.
_base_ = ["./image_loaders.py", "./cifar10_images.py"]
# RGB, in 0 .. 255: mean and standard deviation of the training images.
data_preprocessor = dict(mean=[125.3, 123.0, 113.9], std=[63.0, 62.1, 66.7], to_rgb=True)
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    _base_.cifar10_images.load,
    dict(type="RandomCrop", crop_size=32, padding=4),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
test_pipeline = [_base_.cifar10_images.load, dict(type="PackInputs")]
train_dataloader = dict(dataset=dict(**_base_.cifar10_images.train, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**_base_.cifar10_images.train, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(**_base_.cifar10_images.test, pipeline=test_pipeline))
