_base_ = [
    "./_base_/models/deeplabv3plus_r101.py",
    "./_base_/datasets/ade20k_512x512.py",
    "./_base_/schedules/sgd_160k.py",
    "./_base_/default_runtime.py",
]
model = dict(
    score=["msp", "max_logit", "entropy", "energy"],
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=150),
    auxiliary_head=dict(num_classes=150),
)
