# From random weights, on more scenes, as the weights of the package were made, see
# docs/quickstart.md. On top of a whole config: globals().update(_base_.pop("schedule")).
schedule = dict(
    train_dataloader=dict(dataset=dict(data_root="data/demo_scenes_long/")),
    optim_wrapper=dict(optimizer=dict(lr=0.003)),
    param_scheduler=[
        dict(type="LinearLR", start_factor=0.04, begin=0, end=500, by_epoch=False),
        dict(type="CosineAnnealingLR", eta_min=0.0, begin=500, end=8000, by_epoch=False),
    ],
    train_cfg=dict(max_iters=8000, val_interval=2000),
    default_hooks=dict(checkpoint=dict(interval=1000)),
    load_from=None,
)
