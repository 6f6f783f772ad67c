_base_ = ["./softmax_vgg13_cifar10-6-4_short.py", "./_base_/methods/m2iosr_images_short.py"]
globals().update(_base_.pop("method"))
