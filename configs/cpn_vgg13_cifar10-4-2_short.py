_base_ = "./softmax_vgg13_cifar10-4-2_short.py"
model = dict(score=["cpn", "msp"], head=dict(type="mmosr.CPNClsHead"))
