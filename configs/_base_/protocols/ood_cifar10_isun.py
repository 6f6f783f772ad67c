_base_ = [
    "../datasets/cifar10.py",
    "../datasets/unknown_isun.py",
    "../datasets/open_set_test.py",
]
test_dataloader = _base_.pop("open_set_test")
test_dataloader.dataset.known = _base_.test_dataloader.dataset
test_dataloader.dataset.unknown = _base_.unknown_images
