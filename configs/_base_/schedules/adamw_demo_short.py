# adamw_short.py in 300 iterations.
_base_ = "./adamw_short.py"
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, begin=0, end=30, by_epoch=False),
    dict(type="PolyLR", eta_min=0.0, power=1.0, begin=30, end=300, by_epoch=False),
]
train_cfg = dict(max_iters=300, val_interval=300)
