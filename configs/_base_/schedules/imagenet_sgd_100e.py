# mmpretrain's schedule for ResNet on ImageNet, which L-GMM uses (appendix B.2): 100 epochs of 5005
# iterations, for batches of 256 on all GPUs together, steps after 30, 60 and 90.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    dict(type="MultiStepLR", milestones=[150150, 300300, 450450], gamma=0.1, by_epoch=False)
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=500500, val_interval=25025)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
