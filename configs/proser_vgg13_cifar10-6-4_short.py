# Mixed behind the third of five stages.
_base_ = "./softmax_vgg13_cifar10-6-4_short.py"
model = dict(
    type="mmosr.PROSER",
    mix_at="stages.2",
    score=["proser", "proser_margin", "msp"],
    head=dict(type="mmosr.PROSERClsHead"),
)
