# SegFormer with MiT-B2, as mmsegmentation ships it.
_base_ = "./segformer_mit-b1.py"
checkpoint = (
    "https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b2_20220624-66e8bf70.pth"
)
model = dict(
    backbone=dict(num_layers=[3, 4, 6, 3], init_cfg=dict(type="Pretrained", checkpoint=checkpoint)),
)
