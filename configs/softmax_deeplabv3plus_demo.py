# Starts from the weights that come with the package, which saw only training scenes. With
# --cfg-options load_from=None the network starts from random weights; for that, and for how the
# weights were made, see ..._demo-long.py.
_base_ = [
    "./_base_/models/deeplabv3plus_r34-2stages.py",
    "./_base_/datasets/demo.py",
    "./_base_/schedules/adamw_demo.py",
    "./_base_/demo_runtime.py",
    "./_base_/methods/softmax.py",
]
model = dict(
    score=_base_.pop("post_hoc"),
    data_preprocessor=dict(size=(96, 160)),
    decode_head=dict(num_classes=9),
)
# In so few steps a new last layer learns rare classes only at a higher learning rate.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(conv_seg=dict(lr_mult=10.0))))
load_from = "mmosr://softmax_deeplabv3plus_demo"
