_base_ = ["./softmax_segformer_cityscapes.py", "./_base_/methods/lgmm_pixels.py"]
globals().update(_base_.pop("method"))
model.decode_head.host = _base_.model.decode_head.type
