# For the published closed-set weights of CAC, see docs/cac.md.
_base_ = ["./_base_/models/osrcinet.py", "./_base_/datasets/cifar10_release.py"]
default_scope = "mmpretrain"
data_preprocessor = dict(
    mean=[0.4882 * 255, 0.4847 * 255, 0.4552 * 255],
    std=[0.2454 * 255, 0.2408 * 255, 0.2622 * 255],
)
fit_dataloader = dict(dataset=dict(trial=2))
test_dataloader = dict(dataset=dict(trial=2))
