"""Image adapters: thin classes between the methods and mmpretrain."""

from .backbones import CROSRVGG13, OSRCINet, WideResNet
from .heads import (
    CACClsHead,
    CPNClsHead,
    LGMMClsHead,
    MethodClsHead,
    MOvRClsHead,
    OpenSetClsHead,
    RPLClsHead,
)
from .m2iosr import M2IOSR, TwoPhaseDistributedDataParallel
from .open_set_image_classifier import OpenSetImageClassifier
from .proser import PROSER, PROSERClsHead
from .rotation_head import RotationHead
from .tta import OpenSetClsTTAModel

__all__ = [
    "CACClsHead",
    "CPNClsHead",
    "CROSRVGG13",
    "LGMMClsHead",
    "M2IOSR",
    "MOvRClsHead",
    "MethodClsHead",
    "OSRCINet",
    "OpenSetClsHead",
    "OpenSetClsTTAModel",
    "OpenSetImageClassifier",
    "PROSER",
    "PROSERClsHead",
    "RPLClsHead",
    "RotationHead",
    "TwoPhaseDistributedDataParallel",
    "WideResNet",
]
