# The schedule of m-OvR, section VI, with its weight decay.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-3),
)
param_scheduler = [dict(type="CosineAnnealingLR", begin=0, end=20000, eta_min=1e-5, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=20000, val_interval=2000)
val_cfg = dict()
test_cfg = dict()
