# WRN-16-4 of m-OvR, table I, for images of any small size.
model = dict(
    type="mmosr.OpenSetImageClassifier",
    backbone=dict(type="mmosr.WideResNet", depth=16, width=4),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(type="LinearClsHead", in_channels=256, num_classes=10),
)
