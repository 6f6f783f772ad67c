# m-OvR, section VI-A: CIFAR-10 took 100k iterations with weak augmentation.
_base_ = "./movr_osrcinet_cifar10-6-4.py"
param_scheduler = [
    dict(type="CosineAnnealingLR", begin=0, end=100000, eta_min=1e-5, by_epoch=False)
]
train_cfg = dict(max_iters=100000, val_interval=10000)
