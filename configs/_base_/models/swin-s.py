# mmpretrain's Swin-S for ImageNet at 224, with its label smoothing but without MixUp and CutMix:
# L-GMM needs images of one class, and its softmax twin should differ in nothing else.
_base_ = "mmpretrain::_base_/models/swin_transformer/small_224.py"
model = dict(type="mmosr.OpenSetImageClassifier", train_cfg=None)
