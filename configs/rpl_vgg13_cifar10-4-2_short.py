_base_ = "./softmax_vgg13_cifar10-4-2_short.py"
model = dict(score=["rpl", "msp"], head=dict(type="mmosr.RPLClsHead"))
