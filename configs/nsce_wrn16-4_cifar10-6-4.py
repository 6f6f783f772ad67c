_base_ = ["./softmax_wrn16-4_cifar10-6-4.py", "./_base_/methods/nsce_images.py"]
globals().update(_base_.pop("method"))
