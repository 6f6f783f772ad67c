_base_ = ["./softmax_osrcinet_cifar10-6-4.py", "./_base_/methods/proser_images.py"]
globals().update(_base_.pop("method"))
model.mix_at = "layers.5"
