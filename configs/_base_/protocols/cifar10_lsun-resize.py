_base_ = "./ood_cifar10_lsun-resize.py"
test_dataloader = dict(dataset=dict(ratio=1.0))
