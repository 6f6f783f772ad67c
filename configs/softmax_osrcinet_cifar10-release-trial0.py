# For the published closed-set weights of CAC, see docs/cac.md.
_base_ = ["./_base_/models/osrcinet.py", "./_base_/datasets/cifar10_release.py"]
default_scope = "mmpretrain"
data_preprocessor = dict(
    mean=[0.4858 * 255, 0.4771 * 255, 0.4326 * 255],
    std=[0.2422 * 255, 0.2374 * 255, 0.2547 * 255],
)
fit_dataloader = dict(dataset=dict(trial=0))
test_dataloader = dict(dataset=dict(trial=0))
