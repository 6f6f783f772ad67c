_base_ = "./softmax_resnet18_cifar10.py"
model = dict(
    score=["movr", "max_cosine"],
    head=dict(type="mmosr.MOvRClsHead"),
    rotation_head=dict(type="mmosr.RotationHead"),
)
