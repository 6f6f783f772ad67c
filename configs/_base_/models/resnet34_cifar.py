# mmpretrain's ResNet-34 for images of 32 x 32: a stem of one 3x3 convolution, no pooling.
_base_ = "mmpretrain::_base_/models/resnet34_cifar.py"
model = dict(
    type="mmosr.OpenSetImageClassifier",
    # Whole, as a method may have a loss of its own.
    head=dict(_delete_=True, type="LinearClsHead", in_channels=512, num_classes=10),
)
