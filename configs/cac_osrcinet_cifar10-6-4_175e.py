_base_ = "./softmax_osrcinet_cifar10-6-4_175e.py"
model = dict(score=["cac"], head=dict(type="mmosr.CACClsHead"))
custom_hooks = [dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")]
