_base_ = "./softmax_vgg13_cifar10-4-2_short.py"
# gamma = 1 learns slowly, see docs/baselines.md.
model = dict(score=["rpl", "msp"], head=dict(type="mmosr.RPLClsHead", classifier=dict(gamma=32.0)))
