# The schedule of m-OvR for ResNet-18, section VI: 200 epochs of the 50,000 images of CIFAR-10 in
# batches of 128. Other data has another number of iterations, set in param_scheduler[0].end
# and train_cfg.max_iters. Batch and weight decay are those that the paper gives for all networks.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.06, momentum=0.9, weight_decay=1e-3),
)
param_scheduler = [dict(type="CosineAnnealingLR", begin=0, end=78200, eta_min=0, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=78200, val_interval=3910)
val_cfg = dict()
test_cfg = dict()
