_base_ = ["./softmax_osrcinet_cifar10-6-4.py", "./_base_/methods/movr_images_rotation.py"]
globals().update(_base_.pop("method"))
