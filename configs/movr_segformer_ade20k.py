_base_ = ["./softmax_segformer_ade20k.py", "./_base_/methods/movr_pixels.py"]
globals().update(_base_.pop("method"))
model.decode_head.host = _base_.model.decode_head.type
