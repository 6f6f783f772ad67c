"""Wide residual networks for small images."""

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from mmosr.registry import MODELS

from .osrci_net import KAIMING

STEM = 16


class PreActivationBlock(nn.Module):
    """Norm, ReLU, 3x3, norm, ReLU, dropout, 3x3, with a shortcut.

    If the width or the size changes, the shortcut is a 1x1 convolution of the activated input.
    """

    def __init__(
        self, before: int, width: int, stride: int, dropout: float, norm_cfg: dict
    ) -> None:
        super().__init__()
        self.norm1 = build_norm_layer(norm_cfg, before)[1]
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.norm2 = build_norm_layer(norm_cfg, width)[1]
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.shortcut = None
        if before != width or stride != 1:
            self.shortcut = nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm1(x))
        change = self.conv2(self.dropout(F.relu(self.norm2(self.conv1(activated)))))
        return change + (x if self.shortcut is None else self.shortcut(activated))


@MODELS.register_module()
class WideResNet(BaseBackbone):
    """WRN-depth-width (Zagoruyko and Komodakis, 2016); m-OvR uses WRN-16-4.

    A 3x3 convolution of 16 channels, then three groups of ``(depth - 4) / 6`` pre-activation
    blocks with 16, 32 and 64 times ``width`` channels, where the second and third halve the map,
    then norm and ReLU. The head needs ``neck=dict(type="GlobalAveragePooling")`` and ``in_channels
    = 64 width``, whatever the size of the images.

    Args:
        depth: 6 n + 4.
        width: Widening factor.
        in_channels: Channels of the images.
        dropout: Probability of the dropout between the two convolutions of a block.
        norm_cfg: Normalisation.
        init_cfg: Initialisation; default: He et al., as in the paper.

    Raises:
        ValueError: ``depth`` is not 6 n + 4.
    """

    def __init__(
        self,
        depth: int = 16,
        width: int = 4,
        in_channels: int = 3,
        dropout: float = 0.0,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = KAIMING,
    ) -> None:
        super().__init__(init_cfg)
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f"depth of WideResNet must be 6 n + 4, such as 16 or 28, got {depth}")
        norm_cfg = norm_cfg or dict(type="BN")
        self.conv1 = nn.Conv2d(in_channels, STEM, 3, 1, 1, bias=False)
        before = STEM
        self.groups = nn.ModuleList()
        for group in range(3):
            channels = STEM * width * 2**group
            layers = []
            for block in range(blocks):
                stride = 2 if group > 0 and block == 0 else 1
                layers.append(PreActivationBlock(before, channels, stride, dropout, norm_cfg))
                before = channels
            self.groups.append(nn.Sequential(*layers))
        self.norm = build_norm_layer(norm_cfg, before)[1]
        self.out_channels = before

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Maps ``(N, 64 width, H / 4, W / 4)`` of images ``(N, 3, H, W)``, as a tuple of one."""
        x = self.conv1(x)
        for group in self.groups:
            x = group(x)
        return (F.relu(self.norm(x)),)
