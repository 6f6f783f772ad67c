# TinyImageNet, all classes known; its validation images are the test, as in the code of OSRCI and
# CAC. The images stay 64 x 64 (CAC, section 4.1): networks with a fixed input size need
# model.backbone.input_size=64 model.head.in_channels=8192. Weak augmentation: translation and flip.
_base_ = "./image_loaders.py"
# RGB, in 0 .. 255: mean and standard deviation of the training images.
data_preprocessor = dict(mean=[122.5, 114.3, 101.4], std=[70.6, 68.6, 71.9], to_rgb=True)
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="LoadImageFromFile"),
    dict(type="RandomCrop", crop_size=64, padding=8),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
images = dict(host="CustomDataset", data_root="data/tiny-imagenet-200")
train_dataloader = dict(dataset=dict(data_prefix="train", pipeline=train_pipeline, **images))
val_dataloader = dict(dataset=dict(data_prefix="train", pipeline=test_pipeline, **images))
test_dataloader = dict(dataset=dict(data_prefix="val", pipeline=test_pipeline, **images))
