_base_ = ["./softmax_vgg13_cifar10.py", "./_base_/methods/movr_images_rotation.py"]
globals().update(_base_.pop("method"))
