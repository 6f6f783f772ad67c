# SegFormer with MiT-B0 at half the width, trained from scratch: small enough for two CPU cores.
_base_ = "./segformer_mit-b0.py"
model = dict(
    backbone=dict(embed_dims=16, init_cfg=None),
    decode_head=dict(in_channels=[16, 32, 80, 128], channels=64, norm_cfg=dict(type="BN")),
)
