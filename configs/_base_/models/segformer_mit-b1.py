# SegFormer with MiT-B1, as mmsegmentation ships it.
_base_ = "./segformer_mit-b0.py"
checkpoint = (
    "https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b1_20220624-02e5a6a1.pth"
)
model = dict(
    backbone=dict(embed_dims=64, init_cfg=dict(type="Pretrained", checkpoint=checkpoint)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
