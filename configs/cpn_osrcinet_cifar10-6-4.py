_base_ = "./softmax_osrcinet_cifar10-6-4.py"
model = dict(score=["cpn", "msp"], head=dict(type="mmosr.CPNClsHead"))
