_base_ = ["./softmax_vgg13_cifar10-6-4.py", "./_base_/methods/m2iosr_images_20k.py"]
globals().update(_base_.pop("method"))
