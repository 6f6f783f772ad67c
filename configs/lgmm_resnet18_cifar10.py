_base_ = ["./softmax_resnet18_cifar10.py", "./_base_/methods/lgmm_images.py"]
globals().update(_base_.pop("method"))
