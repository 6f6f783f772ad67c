# SegFormer with MiT-B4, as mmsegmentation ships it.
_base_ = "./segformer_mit-b1.py"
checkpoint = (
    "https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b4_20220624-d588d980.pth"
)
model = dict(
    backbone=dict(
        num_layers=[3, 8, 27, 3], init_cfg=dict(type="Pretrained", checkpoint=checkpoint)
    ),
)
