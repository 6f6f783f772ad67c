# A short schedule for small models trained from scratch on a CPU. `max_iters` is used twice: change
# both train_cfg.max_iters and param_scheduler[1].end, or inherit and replace the two.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.0005),
    clip_grad=None,
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(type="PolyLR", eta_min=0, power=0.9, begin=100, end=1000, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=1000, val_interval=1000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
