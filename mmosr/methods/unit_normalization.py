"""Features of unit mean square: the space in which a density is bounded."""

import torch.nn.functional as F
from torch import Tensor, nn

NORMALIZATIONS = ("batch_l2", "batch", "layer", "l2", "none")


class UnitNormalization(nn.Module):
    """Bring features ``(N, D, *S)`` to unit mean square, without learnt parameters.

    With unnormalised features the encoder can raise every likelihood at once by shrinking or
    growing them, and training diverges.

    Args:
        dims: D.
        mode: ``batch_l2``: batch normalisation, then L2 norm times sqrt(D) (keeps the mixture
            components alive). ``batch``: only batch normalisation; the mean square is 1 on
            average, but each sample keeps its norm. ``layer``: layer normalisation over the
            channels. ``l2``: L2 norm times sqrt(D). ``none``: unchanged. A batch with one value
            per channel, such as the last image of an epoch, has no variance: it uses the running
            statistics and does not update them.
    """

    def __init__(self, dims: int, mode: str = "batch_l2") -> None:
        super().__init__()
        if mode not in NORMALIZATIONS:
            raise ValueError(f"normalization must be one of {NORMALIZATIONS}, got {mode!r}")
        self.mode, self.scale = mode, dims**0.5
        self.batch_norm = nn.BatchNorm1d(dims, affine=False) if "batch" in mode else None

    def forward(self, z: Tensor) -> Tensor:
        if self.mode == "none":
            return z
        if self.mode == "layer":
            return F.layer_norm(z.movedim(1, -1), z.shape[1:2]).movedim(-1, 1)
        if self.batch_norm is not None:
            flat = z if z.dim() == 2 else z.flatten(2)
            z = self._batch_normalized(flat).reshape(z.shape)
            if self.mode == "batch":
                return z
        return F.normalize(z, dim=1) * self.scale

    def _batch_normalized(self, flat: Tensor) -> Tensor:
        norm = self.batch_norm
        # Not the synchronised one: the other ranks wait for this rank's share of the statistics.
        if type(norm) is nn.BatchNorm1d and flat.numel() == flat.shape[1]:
            return F.batch_norm(flat, norm.running_mean, norm.running_var, eps=norm.eps)
        return norm(flat)
