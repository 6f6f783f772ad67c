# For the published CAC weights, see docs/cac.md.
_base_ = "./softmax_osrcinet_cifar10-release-trial4.py"
model = dict(head=dict(type="mmosr.CACClsHead"))
