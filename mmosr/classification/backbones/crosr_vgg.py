"""The VGG-13 variant of CROSR, with the features used by M2IOSR."""

from mmcv.cnn import ConvModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from mmosr.registry import MODELS

from .osrci_net import KAIMING, check_size

WIDTHS = (64, 128, 256, 512, 512)


@MODELS.register_module()
class CROSRVGG13(BaseBackbone):
    """VGG-13 redesigned for 32 x 32 images (Yoshihashi et al., 2019; M2IOSR, section 4.2).

    Ten 3x3 convolutions in five stages of two, of 64, 128, 256, 512 and 512 channels. The second of
    each stage halves the map, instead of pooling: 16, 8, 4, 2, 1. The papers do not print the
    layers; stride, batch norm and PReLU are taken from third-party code of CGDL (Sun et al., 2020),
    which trains the same network. A linear layer computes the latent features.

    Args:
        in_channels: Channels of the images.
        latent_dims: Dimension of ``f_1``.
        norm_cfg: Normalisation.
        act_cfg: Activation.
        init_cfg: Initialisation.

    Raises:
        InputError: In ``forward``, images are not 32 x 32.
    """

    def __init__(
        self,
        in_channels: int = 3,
        latent_dims: int = 32,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = KAIMING,
    ) -> None:
        super().__init__(init_cfg)
        options = dict(
            padding=1, norm_cfg=norm_cfg or dict(type="BN"), act_cfg=act_cfg or dict(type="PReLU")
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvModule(before, width, 3, **options),
                ConvModule(width, width, 3, stride=2, **options),
            )
            for before, width in zip((in_channels, *WIDTHS), WIDTHS, strict=False)
        )
        self.latent = nn.Linear(WIDTHS[-1], latent_dims)
        self.out_channels = latent_dims

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The features before the latent layer.

        Args:
            x: Images ``(N, 3, 32, 32)``.

        Returns:
            ``f_16`` ``(N, 64, 16, 16)``, ``f_4`` ``(N, 256, 4, 4)`` and the top ``(N, 512)``, for
            further layers next to the latent one, such as that of a standard deviation.
        """
        check_size(self, x, 32)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found[0], found[2], x.flatten(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``f_16``, ``f_4`` and ``f_1`` ``(N, latent_dims)`` of images ``(N, 3, 32, 32)``."""
        map_16, map_4, top = self.maps(x)
        return map_16, map_4, self.latent(top)
