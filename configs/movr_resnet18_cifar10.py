_base_ = ["./softmax_resnet18_cifar10.py", "./_base_/methods/movr_images_rotation.py"]
globals().update(_base_.pop("method"))
