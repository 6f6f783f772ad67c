_base_ = "./softmax_wrn16-4_cifar10.py"
model = dict(score=["rpl", "msp"], head=dict(type="mmosr.RPLClsHead"))
