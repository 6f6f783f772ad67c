"""Standardized max logits (Jung et al., 2021)."""

import torch
from torch import Tensor

from mmosr.registry import SCORES

from .base import FittedMapScore
from .fitted import class_sums


@SCORES.register_module("sml")
class StandardizedMaxLogit(FittedMapScore):
    """``-(max_y l_y - mean_c) / std_c`` with ``c = argmax_y l_y`` (Jung et al., 2021, eq. 1-3).

    Mean and standard deviation (1/N) are those of the max logits of all training pixels or images
    that are predicted as c, whatever their label. A class that is predicted fewer than two times in
    the fit has no standard deviation: it uses mean and standard deviation of the max logits of all
    classes together, with a warning.

    Args:
        num_classes: Known classes C.
        feature_dims: Not used.
        min_std: Lower bound of the standard deviations, in units of the logits.
    """

    space = "logits"

    def __init__(
        self,
        num_classes: int,
        feature_dims: int | None = None,
        min_std: float = 1e-4,
    ) -> None:
        super().__init__(num_classes, feature_dims)
        if min_std <= 0:
            raise ValueError(f"min_std must be above 0, got {min_std}")
        self.min_std = min_std
        self.add_statistic("means", num_classes)
        self.add_statistic("stds", num_classes)

    def score(self, maps: Tensor) -> Tensor:
        top, labels = maps.max(1)
        return (self.means[labels] - top) / self.stds[labels]

    def accumulate(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Number, sum and sum of squares of the max logits of each predicted class."""
        self.require_rows(rows, labels)
        top, predicted = rows.max(1)
        top = top.double()
        return class_sums(torch.stack([top, top.square()], 1), predicted, self.num_classes)

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        count, total = sums["count"], sums["total"]
        few = count < 2
        count = torch.where(few, count.sum(), count).unsqueeze(1)
        means, squares = (torch.where(few.unsqueeze(1), total.sum(0), total) / count).unbind(1)
        self.means.copy_(means)
        # Rounding may leave a variance just below zero.
        variances = (squares - means.square()).clamp_min(0)
        self.stds.copy_(variances.sqrt().clamp_min(self.min_std))
        if not few.any():
            return None
        return (
            f"classes {few.nonzero().flatten().tolist()} are hardly ever predicted: "
            "they use the statistics of all classes together"
        )


@SCORES.register_module("sml_smooth")
class SmoothedMaxLogit(StandardizedMaxLogit):
    """:class:`StandardizedMaxLogit` whose finished map a segmentor suppresses and smooths.

    As in the paper, see :class:`~mmosr.scores.map_smoothing.MapSmoothing`. Before that, and on
    rows, it is the same score.
    """

    map_options = {"boundary_suppression": True, "smoothing": True}
