# MNIST, all digits known, at 32 x 32 (CAC, section 4.1) and with three equal channels, for the
# networks of colour images. Weak augmentation: translation; digits are not flipped, as in CAC's code.
_base_ = "./image_loaders.py"
# In 0 .. 255: mean and standard deviation of the training images.
data_preprocessor = dict(mean=[33.3] * 3, std=[78.6] * 3, to_rgb=True)
to_network = [dict(type="mmosr.RepeatChannels"), dict(type="Resize", scale=(32, 32))]
train_pipeline = [
    dict(type="mmosr.SeedDraw"),
    *to_network,
    dict(type="RandomCrop", crop_size=32, padding=4),
    dict(type="PackInputs"),
]
test_pipeline = [*to_network, dict(type="PackInputs")]
images = dict(host="MNIST", data_root="data/mnist")
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **images))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **images))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, **images))
