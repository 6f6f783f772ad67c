"""KL matching (Hendrycks et al., 2022)."""

import torch
from torch import Tensor

from mmosr.registry import SCORES

from .base import FittedMapScore
from .fitted import class_sums


@SCORES.register_module("kl_matching")
class KLMatching(FittedMapScore):
    """``min_k KL(p || d_k)`` of the softmax ``p`` (Hendrycks et al., 2022, section 3), at least 0.

    ``d_k`` is the mean softmax of the data that are predicted as k, whatever their label. A class
    that is never predicted in the fit is left out of the minimum, with a warning.
    """

    space = "logits"

    def __init__(self, num_classes: int, feature_dims: int | None = None) -> None:
        super().__init__(num_classes, feature_dims)
        self.add_statistic("log_templates", num_classes, num_classes)

    def score(self, maps: Tensor) -> Tensor:
        log_prob = torch.log_softmax(maps.movedim(1, -1), -1)
        prob = log_prob.exp()
        # As a matrix product: the differences log p - log d_k would be (N, C, C, *S).
        cross_entropy = -(prob @ self.log_templates.T)
        return (prob * log_prob).sum(-1) + cross_entropy.amin(-1)

    def accumulate(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Number and sum of the softmax of each predicted class."""
        self.require_rows(rows, labels)
        prob = torch.softmax(rows.double(), 1)
        return class_sums(prob, rows.argmax(1), self.num_classes)

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        templates = sums["total"] / sums["count"].clamp_min(1).unsqueeze(1)
        # The bound (log = -708) keeps 0 * log(0) of one-hot posteriors finite. For a class without
        # predictions all values are there, no nearer to any posterior than another class.
        self.log_templates.copy_(templates.clamp_min(torch.finfo(torch.float64).tiny).log())
        missing = (sums["count"] == 0).nonzero().flatten().tolist()
        if not missing:
            return None
        return f"classes {missing} are never predicted: they are left out of the minimum"
