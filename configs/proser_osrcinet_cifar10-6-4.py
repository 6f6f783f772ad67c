# From scratch, on the terms of the other methods; docs/proser.md says how to fine-tune.
_base_ = "./softmax_osrcinet_cifar10-6-4.py"
model = dict(
    type="mmosr.PROSER",
    mix_at="layers.5",
    score=["proser", "proser_margin", "msp"],
    head=dict(type="mmosr.PROSERClsHead"),
)
