# The nine convolutions of the OSRCI protocol, for images of 32 x 32. Mean and standard deviation
# belong to the data.
model = dict(
    type="mmosr.OpenSetImageClassifier",
    backbone=dict(type="mmosr.OSRCINet"),
    head=dict(type="LinearClsHead", in_channels=2048, num_classes=6),
)
