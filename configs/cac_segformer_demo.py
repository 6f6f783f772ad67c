_base_ = ["./softmax_segformer_demo.py", "./_base_/methods/cac_pixels.py"]
globals().update(_base_.pop("method"))
model.decode_head.host = _base_.model.decode_head.type
