_base_ = ["./softmax_vgg13_cifar10-4-2_short.py", "./_base_/methods/lgmm_images_short.py"]
globals().update(_base_.pop("method"))
