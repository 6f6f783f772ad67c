# UPerNet with mmpretrain's ConvNeXt-T, as mmsegmentation ships it.
_base_ = "./upernet_swin-t.py"
custom_imports = dict(imports=["mmpretrain.models"], allow_failed_imports=False)
checkpoint = "https://mmassets.onedl.ai/mmclassification/v0/convnext/downstream/convnext-tiny_3rdparty_32xb128-noema_in1k_20220301-795e9634.pth"
model = dict(
    backbone=dict(
        _delete_=True,
        type="mmpretrain.ConvNeXt",
        arch="tiny",
        out_indices=[0, 1, 2, 3],
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
        gap_before_final_norm=False,
        init_cfg=dict(type="Pretrained", checkpoint=checkpoint, prefix="backbone."),
    )
)
