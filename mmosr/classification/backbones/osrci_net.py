"""The nine-convolution encoder of the OSRCI protocol, also used by CAC."""

import math

from mmcv.cnn import ConvModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from mmosr.registry import MODELS
from mmosr.utils import InputError

WIDTHS = (64, 64, 128) + 6 * (128,)
BLOCK = 3  # convolutions of a block; the last of each halves the map
KAIMING = [
    dict(type="Kaiming", layer="Conv2d"),
    dict(type="Constant", val=1.0, layer="_BatchNorm"),
]


@MODELS.register_module()
class OSRCINet(BaseBackbone):
    """Nine 3x3 convolutions in three blocks (Neal et al., 2018; CAC, section 4.3).

    Each convolution, without bias, is followed by batch norm and LeakyReLU 0.2; each block has
    channel-wise dropout before it. The last map is flattened channel-first, not pooled, so the
    network is for one image size S: it has ``128 ceil(S / 8)^2`` features, 2048 for 32 and 8192 for
    64 pixels, which is the ``in_channels`` of the head.

    The code of CAC's published weights has the dropout after each block instead, while OSRCI has it
    before. In evaluation there is no difference.

    Args:
        in_channels: Channels of the images.
        input_size: Side S of the images.
        dropout: Probability; CAC uses 0.2, and 0.3 for TinyImageNet (supplement, table 1).
        norm_cfg: Normalisation.
        init_cfg: Initialisation; default: as in CAC's code.

    Raises:
        InputError: In ``forward``, images have another size.
    """

    def __init__(
        self,
        in_channels: int = 3,
        input_size: int = 32,
        dropout: float = 0.2,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = KAIMING,
    ) -> None:
        super().__init__(init_cfg)
        self.input_size = input_size
        self.dropout = nn.Dropout2d(dropout)
        self.layers = nn.ModuleList(
            ConvModule(
                before,
                width,
                3,
                stride=2 if index % BLOCK == BLOCK - 1 else 1,
                padding=1,
                norm_cfg=norm_cfg or dict(type="BN"),
                act_cfg=dict(type="LeakyReLU", negative_slope=0.2),
            )
            for index, (before, width) in enumerate(
                zip((in_channels, *WIDTHS), WIDTHS, strict=False)
            )
        )

    @property
    def out_channels(self) -> int:
        """Number of features."""
        return WIDTHS[-1] * math.ceil(self.input_size / 8) ** 2

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Features ``(N, 128 ceil(S / 8)^2)`` of images ``(N, 3, S, S)``, as a tuple of one."""
        check_size(self, x, self.input_size, ", or set backbone.input_size and head.in_channels")
        for index, layer in enumerate(self.layers):
            if index % BLOCK == 0:
                x = self.dropout(x)
            x = layer(x)
        return (x.flatten(1),)


def check_size(network: nn.Module, images: Tensor, size: int, remedy: str = "") -> None:
    """Reject images that a network for a fixed size would turn into wrong features.

    Raises:
        InputError: The images ``(N, 3, H, W)`` are not of ``size`` x ``size``.
    """
    height, width = images.shape[2:]
    if (height, width) != (size, size):
        raise InputError(
            f"{type(network).__name__} takes images of {size} x {size}, got {height} x {width}: "
            f"resize or crop them in the pipeline{remedy}"
        )
