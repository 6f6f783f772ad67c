# For the published closed-set weights of CAC, see docs/cac.md.
_base_ = ["./_base_/models/osrcinet.py", "./_base_/datasets/cifar10_release.py"]
default_scope = "mmpretrain"
data_preprocessor = dict(
    mean=[0.4872 * 255, 0.4836 * 255, 0.4498 * 255],
    std=[0.2465 * 255, 0.2432 * 255, 0.2595 * 255],
)
fit_dataloader = dict(dataset=dict(trial=3))
test_dataloader = dict(dataset=dict(trial=3))
