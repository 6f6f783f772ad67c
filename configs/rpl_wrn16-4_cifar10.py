_base_ = ["./softmax_wrn16-4_cifar10.py", "./_base_/methods/rpl_images.py"]
globals().update(_base_.pop("method"))
