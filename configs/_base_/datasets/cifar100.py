# CIFAR-100, all classes known, from the official download, whose arrays are RGB. Weak augmentation:
# translation and flip.
_base_ = "./image_loaders.py"
# RGB, in 0 .. 255: mean and standard deviation of the training images.
data_preprocessor = dict(
    mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418], to_rgb=True
)
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="mmosr.ReverseChannels"),
    dict(type="RandomCrop", crop_size=32, padding=4),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
test_pipeline = [dict(type="mmosr.ReverseChannels"), dict(type="PackInputs")]
images = dict(host="CIFAR100", data_root="data/cifar100")
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **images))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **images))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, **images))
