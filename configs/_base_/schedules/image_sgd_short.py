# A short schedule for small networks trained from scratch on a CPU. The number of iterations is set
# in three places: param_scheduler[1].end, train_cfg.max_iters and train_cfg.val_interval.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=1e-3),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(type="CosineAnnealingLR", begin=100, end=600, eta_min=1e-5, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=600, val_interval=600)
val_cfg = dict()
test_cfg = dict()
