"""Networks of the papers that mmpretrain does not have."""

from .crosr_vgg import CROSRVGG13
from .osrci_net import OSRCINet
from .wide_resnet import WideResNet

__all__ = ["CROSRVGG13", "OSRCINet", "WideResNet"]
