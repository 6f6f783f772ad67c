# DeepLabV3+ on the first two stages of ResNet-34, at output stride 8 with dilations 1 to 8: half a
# million parameters, small enough to be trained on two CPU cores in minutes.
_base_ = "./deeplabv3plus_r101.py"
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    backbone=dict(
        depth=34,
        num_stages=2,
        out_indices=(0, 1),
        strides=(1, 2),
        dilations=(1, 1),
        multi_grid=(1, 2, 4, 8),
        contract_dilation=False,
        stem_channels=32,
        base_channels=32,
        norm_cfg=norm_cfg,
        init_cfg=None,
    ),
    decode_head=dict(
        in_channels=64,
        in_index=1,
        channels=48,
        dilations=(1, 3, 6, 9),
        c1_in_channels=32,
        c1_channels=24,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=None,
)
