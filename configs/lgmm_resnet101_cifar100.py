_base_ = ["./softmax_resnet101_cifar100.py", "./_base_/methods/lgmm_images.py"]
globals().update(_base_.pop("method"))
