_base_ = ["./softmax_swin-s_imagenet1k.py", "./_base_/methods/lgmm_images.py"]
globals().update(_base_.pop("method"))
