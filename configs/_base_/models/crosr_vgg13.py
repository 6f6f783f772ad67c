# The VGG-13 variant of CROSR, for images of 32 x 32. Its latent features enter the head.
model = dict(
    type="mmosr.OpenSetImageClassifier",
    backbone=dict(type="mmosr.CROSRVGG13"),
    head=dict(type="LinearClsHead", in_channels=32, num_classes=10),
)
