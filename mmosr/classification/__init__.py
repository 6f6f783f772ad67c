"""Image adapters: thin classes between the methods and mmpretrain."""

from .backbones import CROSRVGG13, OSRCINet, WideResNet
from .heads import (
    CACClsHead,
    LGMMClsHead,
    MethodClsHead,
    MOvRClsHead,
    OpenSetClsHead,
)
from .m2iosr import M2IOSR, TwoPhaseDistributedDataParallel
from .open_set_image_classifier import OpenSetImageClassifier
from .rotation_head import RotationHead

__all__ = [
    "CACClsHead",
    "CROSRVGG13",
    "LGMMClsHead",
    "M2IOSR",
    "MOvRClsHead",
    "MethodClsHead",
    "OSRCINet",
    "OpenSetClsHead",
    "OpenSetImageClassifier",
    "RotationHead",
    "TwoPhaseDistributedDataParallel",
    "WideResNet",
]
