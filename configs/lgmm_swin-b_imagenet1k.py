_base_ = ["./softmax_swin-b_imagenet1k.py", "./_base_/methods/lgmm_images.py"]
globals().update(_base_.pop("method"))
