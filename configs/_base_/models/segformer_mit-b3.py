# SegFormer with MiT-B3, as mmsegmentation ships it.
_base_ = "./segformer_mit-b1.py"
checkpoint = (
    "https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b3_20220624-13b1141c.pth"
)
model = dict(
    backbone=dict(
        num_layers=[3, 4, 18, 3], init_cfg=dict(type="Pretrained", checkpoint=checkpoint)
    ),
)
