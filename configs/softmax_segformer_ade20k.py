# The L-GMM paper writes "MiT-Base", which names none of the sizes; its baselines of 50.0 (ADE20K)
# and 82.0 mIoU (Cityscapes) are nearest to mmsegmentation's MiT-B5.
_base_ = [
    "./_base_/models/segformer_mit-b5.py",
    "./_base_/datasets/ade20k_512x512.py",
    "./_base_/schedules/adamw_160k.py",
    "./_base_/default_runtime.py",
]
model = dict(
    score=["msp", "max_logit", "entropy", "energy"],
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=150),
)
