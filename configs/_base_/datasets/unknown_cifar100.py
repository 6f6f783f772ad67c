# Test images of CIFAR-100 as unknown ones; the protocol names the classes.
unknown_images = dict(
    type="mmosr.UnknownImages",
    host="CIFAR100",
    data_root="data/cifar100",
    pipeline=[dict(type="mmosr.ReverseChannels"), dict(type="PackInputs")],
)
