_base_ = "./softmax_wrn16-4_cifar10-6-4.py"
model = dict(
    score=["movr", "max_cosine"],
    head=dict(type="mmosr.MOvRClsHead"),
    rotation_head=dict(type="mmosr.RotationHead"),
)
