# A short fine-tuning of a small network on a CPU: AdamW, warm-up, cosine.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.001, betas=(0.9, 0.999), weight_decay=0.01),
    clip_grad=None,
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.04, begin=0, end=50, by_epoch=False),
    dict(type="CosineAnnealingLR", eta_min=0.0, begin=50, end=400, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=400, val_interval=400)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
