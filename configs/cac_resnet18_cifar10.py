_base_ = "./softmax_resnet18_cifar10.py"
model = dict(score=["cac"], head=dict(type="mmosr.CACClsHead"))
custom_hooks = [dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")]
