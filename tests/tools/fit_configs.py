"""A small segmentor on the Cityscapes of mmseg's own configs, plain and with CAC."""

MODEL = """
norm_cfg = dict(type="BN")
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[120.0] * 3, std=[60.0] * 3, size=(64, 64)),
    backbone=dict(
        type="ResNetV1c", depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
        base_channels=4, stem_channels=4, norm_cfg=norm_cfg),
    decode_head=dict(
        type="FCNHead", in_channels=4, channels=8, num_convs=1, concat_input=False,
        num_classes=19, norm_cfg=norm_cfg),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
"""
MMSEG = """
_base_ = [
    "mmseg::_base_/datasets/cityscapes.py",
    "mmseg::_base_/default_runtime.py",
    "mmseg::_base_/schedules/schedule_20k.py",
]
"""
CAC = """
_base_ = "plain.py"
model = dict(
    type="mmosr.OpenSetEncoderDecoder",
    decode_head=dict(type="mmosr.CACHead", host="FCNHead"))
test_dataloader = dict(
    dataset=dict(
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test")))
test_evaluator = dict(_delete_=True, type="mmosr.OpenSetMetric")
"""
