_base_ = ["./softmax_deeplabv3plus_camvid-carsign.py", "./_base_/methods/lgmm_pixels_normalized.py"]
globals().update(_base_.pop("method"))
model.decode_head.host = _base_.model.decode_head.type
