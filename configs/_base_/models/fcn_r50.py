# FCN with ResNet-50, output stride 8, as mmsegmentation ships it.
_base_ = "./deeplabv3plus_r50.py"
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    decode_head=dict(
        _delete_=True,
        type="FCNHead",
        in_channels=2048,
        in_index=3,
        channels=512,
        num_convs=2,
        concat_input=True,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    )
)
