"""Image adapters: thin classes between the methods and mmpretrain."""

from .heads import (
    CACClsHead,
    LGMMClsHead,
    MethodClsHead,
    MOvRClsHead,
    OpenSetClsHead,
)
from .open_set_image_classifier import OpenSetImageClassifier
from .rotation_head import RotationHead

__all__ = [
    "CACClsHead",
    "LGMMClsHead",
    "MOvRClsHead",
    "MethodClsHead",
    "OpenSetClsHead",
    "OpenSetImageClassifier",
    "RotationHead",
]
