_base_ = "./softmax_vgg13_cifar10-6-4_short.py"
model = dict(score=["cac", "cac_fixed"], head=dict(type="mmosr.CACClsHead"))
custom_hooks = [dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")]
