"""Self-supervision by rotation, next to the head of an image classifier."""

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from mmosr.methods import ChannelLinear
from mmosr.registry import MODELS
from mmosr.utils import InputError

from .heads import IGNORED


@MODELS.register_module()
class RotationHead(BaseModule):
    """Self-supervision: by how many quarter turns an image is rotated (m-OvR, section V-C).

    A linear layer on the features that enter the classifier predicts 0, 90, 180 or 270 degrees.
    Only unrotated images are used in the loss on the classes.

    Args:
        in_channels: Channels D of the features.
        loss_weight: lambda_self.
        copies: ``'all'``: each image in all four rotations, which takes four times as long as
            without; ``'one'``: each image once more in a random one of the four, twice as long.
        init_cfg: Initialisation of the layer.
    """

    def __init__(
        self,
        in_channels: int,
        loss_weight: float = 0.1,
        copies: str = "all",
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if copies not in ("all", "one"):
            raise ValueError(f"copies must be 'all' or 'one', got {copies!r}")
        self.loss_weight, self.copies = loss_weight, copies
        self.fc = ChannelLinear(in_channels, 4)

    def views(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The images ``(N, 3, H, H)``, followed by rotated ones.

        Returns:
            ``(M, 3, H, H)`` and the quarter turns ``(M,)`` of each, counter-clockwise; -100 for an
            image that does not count.

        Raises:
            InputError: The images are not square.
        """
        if inputs.shape[2] != inputs.shape[3]:
            raise InputError(
                f"RotationHead needs square images, got {tuple(inputs.shape[2:])}: crop or resize "
                "them to squares in the training pipeline"
            )
        count = len(inputs)
        if self.copies == "all":
            views = torch.cat([torch.rot90(inputs, turn, (2, 3)) for turn in range(4)])
            return views, torch.arange(4, device=inputs.device).repeat_interleave(count)
        turns = torch.randint(4, (count,))
        rotated = [
            torch.rot90(image, turn, (1, 2))
            for image, turn in zip(inputs, turns.tolist(), strict=True)
        ]
        labels = torch.cat([turns.new_full((count,), IGNORED), turns]).to(inputs.device)
        return torch.cat([inputs, torch.stack(rotated)]), labels

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(M, 4)`` of features ``(M, D)``."""
        return self.fc(features)

    def loss(self, features: Tensor, turns: Tensor) -> dict[str, Tensor]:
        """``loss_rotation``, weighted, and ``accuracy_rotation`` in percent.

        Args:
            features: Features ``(M, D)`` of the views.
            turns: Quarter turns ``(M,)``, from :meth:`views`.
        """
        logits = self(features)
        counted = turns != IGNORED
        right = (logits.argmax(1) == turns)[counted]
        return {
            "loss_rotation": self.loss_weight * F.cross_entropy(logits, turns),
            "accuracy_rotation": 100 * right.float().mean(),
        }
