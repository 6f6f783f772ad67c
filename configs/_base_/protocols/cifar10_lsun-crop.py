_base_ = "./ood_cifar10_lsun-crop.py"
test_dataloader = dict(dataset=dict(ratio=1.0))
