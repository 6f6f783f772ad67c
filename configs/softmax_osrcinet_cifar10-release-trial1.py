# For the published closed-set weights of CAC, see docs/cac.md.
_base_ = ["./_base_/models/osrcinet.py", "./_base_/datasets/cifar10_release.py"]
default_scope = "mmpretrain"
data_preprocessor = dict(
    mean=[0.485 * 255, 0.4598 * 255, 0.4032 * 255],
    std=[0.2452 * 255, 0.2397 * 255, 0.2474 * 255],
)
fit_dataloader = dict(dataset=dict(trial=1))
test_dataloader = dict(dataset=dict(trial=1))
