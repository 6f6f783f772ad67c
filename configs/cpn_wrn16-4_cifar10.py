_base_ = "./softmax_wrn16-4_cifar10.py"
model = dict(score=["cpn", "msp"], head=dict(type="mmosr.CPNClsHead"))
