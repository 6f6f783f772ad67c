_base_ = [
    "./_base_/models/osrcinet.py",
    "./_base_/datasets/cifar10_6-4.py",
    "./_base_/schedules/image_sgd_short.py",
    "./_base_/image_runtime.py",
]
model = dict(
    score=["msp", "max_logit", "entropy", "energy"],
    data_preprocessor=dict(mean=[125.3, 123.0, 113.9], std=[63.0, 62.1, 66.7]),
)
