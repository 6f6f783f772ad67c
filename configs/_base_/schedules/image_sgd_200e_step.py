# mmpretrain's schedule for ResNet on CIFAR-10, which L-GMM uses (appendix B.2): 200 epochs of
# 50,000 images in batches of 128 (8 x 16 there), steps after 100 and 150.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [dict(type="MultiStepLR", milestones=[39100, 58650], gamma=0.1, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=78200, val_interval=3910)
val_cfg = dict()
test_cfg = dict()
