# ODIN calls its TinyImageNet set Imagenet; CROSR and later papers use it as ImageNet-crop.
_base_ = "./ood_cifar10_tinyimagenet-crop.py"
test_dataloader = dict(dataset=dict(ratio=1.0))
