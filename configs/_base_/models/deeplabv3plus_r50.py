# DeepLabV3+ with ResNet-50, output stride 8, as mmsegmentation ships it.
_base_ = "./deeplabv3plus_r101.py"
model = dict(
    backbone=dict(
        depth=50, init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnet50_v1c")
    )
)
