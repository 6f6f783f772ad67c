_base_ = "../protocols/cifar10_6-4.py"
