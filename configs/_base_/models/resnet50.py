# mmpretrain's ResNet-50 for ImageNet.
_base_ = "mmpretrain::_base_/models/resnet50.py"
model = dict(
    type="mmosr.OpenSetImageClassifier",
    # Whole, as a method may have a loss of its own.
    head=dict(_delete_=True, type="LinearClsHead", in_channels=2048, num_classes=1000, topk=(1, 5)),
)
