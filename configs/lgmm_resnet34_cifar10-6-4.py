_base_ = ["./softmax_resnet34_cifar10-6-4.py", "./_base_/methods/lgmm_images.py"]
globals().update(_base_.pop("method"))
