# The schedule of CAC on CIFAR-10 6/4, supplement, table 1: 150 epochs at 0.01, then 25 at 0.001.
# Momentum, weight decay, batch (128) and the size of an epoch, 188 iterations (80 % of the training
# images of six classes), are those of the published code.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-6),
)
param_scheduler = [dict(type="MultiStepLR", milestones=[28200], gamma=0.1, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=32900, val_interval=4700)
val_cfg = dict()
test_cfg = dict()
