_base_ = ["./softmax_resnet18_cifar10-6-4_strong.py", "./_base_/methods/movr_images.py"]
globals().update(_base_.pop("method"))
