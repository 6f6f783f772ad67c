_base_ = ["./softmax_osrcinet_cifar10-6-4_175e.py", "./_base_/methods/cac_images.py"]
globals().update(_base_.pop("method"))
