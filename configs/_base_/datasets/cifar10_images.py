# The source of the CIFAR-10 images for all configs: the last line chooses image files or the
# official download, whose arrays are RGB. docs/image_data.md says how to obtain either.
cifar10_images = dict(
    files=dict(
        train=dict(host="CustomDataset", data_root="data/cifar10_jpeg", data_prefix="train"),
        test=dict(host="CustomDataset", data_root="data/cifar10_jpeg", data_prefix="test"),
        load=dict(type="LoadImageFromFile"),
    ),
    pickles=dict(
        train=dict(host="CIFAR10", data_root="data/cifar10"),
        test=dict(host="CIFAR10", data_root="data/cifar10"),
        load=dict(type="mmosr.ReverseChannels"),
    ),
)["files"]
