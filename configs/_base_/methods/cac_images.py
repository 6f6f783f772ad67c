# CAC on top of the softmax config of any network.
method = dict(
    model=dict(score=["cac"], head=dict(type="mmosr.CACClsHead")),
    custom_hooks=[dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")],
)
