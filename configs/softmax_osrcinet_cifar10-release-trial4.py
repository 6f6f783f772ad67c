# For the published closed-set weights of CAC, see docs/cac.md.
_base_ = ["./_base_/models/osrcinet.py", "./_base_/datasets/cifar10_release.py"]
default_scope = "mmpretrain"
data_preprocessor = dict(
    mean=[0.4917 * 255, 0.481 * 255, 0.4498 * 255],
    std=[0.2512 * 255, 0.2487 * 255, 0.2685 * 255],
)
fit_dataloader = dict(dataset=dict(trial=4))
test_dataloader = dict(dataset=dict(trial=4))
