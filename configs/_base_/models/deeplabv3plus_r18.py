# DeepLabV3+ with ResNet-18 at output stride 16 and no auxiliary head, trained from scratch: the
# smallest DeepLabV3+ that learns a street scene in minutes.
_base_ = "./deeplabv3plus_r101.py"
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    backbone=dict(
        depth=18,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=norm_cfg,
        init_cfg=None,
    ),
    decode_head=dict(
        in_channels=512,
        channels=128,
        dilations=(1, 6, 12, 18),
        c1_in_channels=64,
        c1_channels=24,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=None,
)
