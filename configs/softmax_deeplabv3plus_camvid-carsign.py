# For choosing settings.
_base_ = [
    "./_base_/models/deeplabv3plus_r18.py",
    "./_base_/datasets/camvid-carsign.py",
    "./_base_/schedules/sgd_short.py",
    "./_base_/default_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(224, 224)),
    decode_head=dict(num_classes=7),
)
