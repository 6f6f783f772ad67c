# SVHN, all digits known. Weak augmentation: translation; digits are not flipped, as in CAC's code.
_base_ = "./image_loaders.py"
# RGB, in 0 .. 255: mean and standard deviation of the training images.
data_preprocessor = dict(mean=[111.6, 113.2, 120.6], std=[50.5, 51.3, 50.2], to_rgb=True)
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    dict(type="mmosr.ReverseChannels"),
    dict(type="RandomCrop", crop_size=32, padding=4),
    dict(type="PackInputs"),
]
test_pipeline = [dict(type="mmosr.ReverseChannels"), dict(type="PackInputs")]
images = dict(host="SVHN", data_root="data/svhn")
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **images))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **images))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, **images))
