# Without the rotated images, which double the time of a step.
_base_ = "./softmax_vgg13_cifar10-6-4_short.py"
model = dict(
    score=["movr", "max_cosine"],
    head=dict(type="mmosr.MOvRClsHead", loss=dict(type="mmosr.MOvRLoss", margin=0.15)),
)
