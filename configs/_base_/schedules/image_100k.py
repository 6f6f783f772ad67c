# The schedule of m-OvR, longer: CIFAR-10 took 100k iterations with weak augmentation (section
# VI-A). On top of a whole config: globals().update(_base_.pop("schedule")).
schedule = dict(
    param_scheduler=[
        dict(type="CosineAnnealingLR", begin=0, end=100000, eta_min=1e-5, by_epoch=False)
    ],
    train_cfg=dict(max_iters=100000, val_interval=10000),
)
