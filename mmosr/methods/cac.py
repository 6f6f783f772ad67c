"""CAC: class anchor clustering in the logit space.

Miller, Sünderhauf, Milford and Dayoub, "Class Anchor Clustering: A Loss for Distance-based Open Set
Recognition", WACV 2021, and its supplement. Sections and equations are those of the paper.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor

from mmosr.registry import MODELS
from mmosr.scores.fitted import Fitted, class_sums

from .base import ChannelLinear, OpenSetClassifier
from .losses import ClassScoreLoss, of_class

CENTRES = ("anchored", "learnt")


class _Distances(torch.autograd.Function):
    """Distances of rows ``(M, D)`` to centres ``(C, D)`` with a backward pass by matrix products.

    That of ``torch.cdist`` needs memory for M x C x D numbers on a GPU: 12 GB for 150 classes.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, centres: Tensor) -> Tensor:
        # From the differences: |z|^2 - 2 z.c + |c|^2 loses all digits at a centre.
        result = torch.cdist(rows, centres, compute_mode="donot_use_mm_for_euclid_dist")
        ctx.save_for_backward(rows, centres, result)
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, centres, result = ctx.saved_tensors
        share = (gradient / result).masked_fill(result == 0, 0)
        to_rows = share.sum(1, keepdim=True) * rows - share @ centres
        to_centres = share.sum(0).unsqueeze(1) * centres - share.T @ rows
        return to_rows, to_centres


def distances(logits: Tensor, centres: Tensor) -> Tensor:
    """Euclidean distances ``d_i = |z - c_i|``, not squared (eq. 1).

    The gradient at a centre, where the distance has none, is zero.

    Args:
        logits: ``(N, D, *S)``.
        centres: ``(C, D)``.

    Returns:
        ``(N, C, *S)``.
    """
    rows = logits.movedim(1, -1)
    flat = _Distances.apply(rows.flatten(0, -2), centres)
    return flat.reshape(*rows.shape[:-1], len(centres)).movedim(-1, 1)


def rejection_score(class_scores: Tensor) -> Tensor:
    """``min_i d_i (1 - softmin(d)_i)`` of class scores ``-d`` (eq. 8 and 9), ``(N, *S)``, >= 0.

    The factor is taken as the sum of the other classes' softmin: ``1 - p`` is zero in float32 for
    every confident sample. The order of ``gamma`` is that of ``d``, so its minimum belongs to the
    nearest centre.
    """
    nearest, index = class_scores.max(1, keepdim=True)
    others = class_scores.softmax(1).scatter(1, index, 0.0).sum(1)
    return -nearest.squeeze(1) * others


@MODELS.register_module()
class AnchorClassifier(Fitted, OpenSetClassifier):
    """Logits ``z`` clustered around class anchors ``alpha e_i`` (section 3).

    A linear layer yields ``z`` of dimension C; the class scores are ``-d``, ``d_i = |z - c_i|``, so
    that their softmax is the softmin of the paper and the cross-entropy on them its tuplet term
    (supplement, section 1).

    After training the anchors move to the mean logit of the correctly classified training data
    (section 3.1.2; correct: ``argmax_i z_i`` is the label). Both sets are kept: training uses the
    fixed anchors, and ``test_anchors`` selects the set for the class scores of the test.

    Scores: ``cac``: eq. 9 on the class scores of the test; ``cac_fixed`` and ``cac_reestimated``:
    eq. 9 with either set of anchors, from the embedding, so that both can be reported from one
    forward pass.

    Args:
        in_channels: Channels of the features.
        num_classes: Known classes C.
        magnitude: alpha of eq. 6 (section 4.4).
        centres: ``'anchored'``, or ``'learnt'`` with the update rule of Center loss (table 5).
        logit_loss_weight: Weight of the cross-entropy on ``z`` (supplement, eq. 11). Default: 1 for
            learnt centres, which do not converge without it, 0 for anchored ones.
        centre_rate: Share of the way that a learnt centre moves towards the mean of its samples
            per step (alpha of Wen et al., 2016, eq. 4).
        test_anchors: ``'reestimated'`` (the paper's) or ``'fixed'``. On pixels the re-estimated
            anchors of rare classes lie near the origin, and the fixed ones detect better.

    Raises:
        InputError: In evaluation mode with ``test_anchors='reestimated'`` before re-estimation.
    """

    space = "embedding"

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        magnitude: float = 10.0,
        centres: str = "anchored",
        logit_loss_weight: float | None = None,
        centre_rate: float = 0.5,
        test_anchors: str = "reestimated",
    ) -> None:
        super().__init__(in_channels, num_classes)
        if centres not in CENTRES:
            raise ValueError(f"centres must be one of {CENTRES}, got {centres!r}")
        if test_anchors not in ("reestimated", "fixed"):
            raise ValueError(f"test_anchors must be 'reestimated' or 'fixed', got {test_anchors!r}")
        if magnitude <= 0:
            raise ValueError(f"magnitude must be above 0, got {magnitude}")
        self.centres, self.test_anchors, self.centre_rate = centres, test_anchors, centre_rate
        if logit_loss_weight is None:
            logit_loss_weight = 1.0 if centres == "learnt" else 0.0
        self.logit_loss_weight = logit_loss_weight
        self.projection = ChannelLinear(in_channels, num_classes)
        anchors = magnitude * torch.eye(num_classes)
        if centres == "learnt":
            anchors = torch.randn(num_classes, num_classes)
        self.register_buffer("anchors", anchors)
        self.register_buffer("reestimated_anchors", anchors.clone())
        self.register_buffer("fitted", torch.tensor(False))

    @property
    def scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {"cac": rejection_score}

    @property
    def embedding_scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {
            "cac_fixed": lambda z: rejection_score(-distances(z, self.anchors)),
            "cac_reestimated": lambda z: rejection_score(-distances(z, self._reestimated())),
        }

    def embed(self, features: Tensor) -> Tensor:
        """The logits z ``(N, C, *S)``, in float32 even under autocast."""
        return self.projection(features)

    def class_scores(self, embedding: Tensor) -> Tensor:
        """``-d``, ``(N, C, *S)``."""
        fixed = self.training or self.test_anchors == "fixed"
        return -distances(embedding, self.anchors if fixed else self._reestimated())

    def loss(self, embedding: Tensor, labels: Tensor, ignore_index: int = 255) -> dict[str, Tensor]:
        """``loss_logit_ce`` with learnt centres, which are also updated here; otherwise nothing."""
        labels = labels.long()
        if self.training and self.centres == "learnt":
            self._move_centres(embedding.detach(), labels, ignore_index)
        if not self.logit_loss_weight:
            return {}
        loss = F.cross_entropy(embedding, labels, ignore_index=ignore_index, reduction="sum")
        count = (labels != ignore_index).sum().clamp_min(1)
        return {"loss_logit_ce": self.logit_loss_weight * loss / count}

    def _reestimated(self) -> Tensor:
        self.require_fitted("the anchors")
        return self.reestimated_anchors

    def accumulate(self, embedding: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Sums of the logits of correctly classified samples ``(M, C)`` and their number."""
        correct = embedding.argmax(1) == labels
        return class_sums(embedding[correct], labels[correct], self.num_classes)

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        """Move the anchors to the means; a class without a correct sample keeps its anchor."""
        count = sums["count"].unsqueeze(1)
        means = sums["total"] / count.clamp_min(1)
        self.reestimated_anchors.copy_(torch.where(count > 0, means, self.anchors.double()))
        empty = (sums["count"] == 0).nonzero().flatten().tolist()
        if not empty:
            return None
        return f"no sample of classes {empty} is classified correctly: they keep their anchors"

    def _move_centres(self, z: Tensor, labels: Tensor, ignore_index: int) -> None:
        """``c_j -= rate sum_i (c_j - z_i) / (1 + n_j)`` over all ranks (Wen et al., 2016)."""
        z, labels = z.movedim(1, -1).flatten(0, -2), labels.flatten()
        z, labels = z[labels != ignore_index], labels[labels != ignore_index]
        one_hot = F.one_hot(labels, self.num_classes).to(z)
        with torch.autocast(z.device.type, enabled=False):
            sums = torch.cat([one_hot.T @ z, one_hot.sum(0).unsqueeze(1)], dim=1)
        all_reduce(sums)
        total, count = sums[:, :-1], sums[:, -1:]
        step = self.centre_rate * (count * self.anchors - total) / (1 + count)
        # Not in place: the backward pass of this step's class scores needs the old ones.
        self.anchors = self.anchors - step


@MODELS.register_module()
class CACLoss(ClassScoreLoss):
    """``L_T + lambda L_A`` on class scores ``-d`` (eq. 2, 4 and 5).

    The tuplet term ``log(1 + sum_{j != y} exp(d_y - d_j))`` is exactly
    ``cross_entropy(-d, y)`` (supplement, section 1), in its stable form.

    Args:
        anchor_weight: lambda; with 0 only the tuplet term remains (table 4).
        tuplet_weight: With 0 only the anchor term remains (table 4).
        **kwargs: See :class:`ClassScoreLoss`.
    """

    def __init__(
        self,
        anchor_weight: float = 0.1,
        tuplet_weight: float = 1.0,
        loss_name: str = "loss_cac",
        **kwargs,
    ) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        if not (anchor_weight or tuplet_weight):
            raise ValueError("anchor_weight and tuplet_weight are both 0: nothing would be trained")
        self.anchor_weight, self.tuplet_weight = anchor_weight, tuplet_weight

    def per_sample(self, class_scores: Tensor, labels: Tensor) -> Tensor:
        tuplet = F.cross_entropy(class_scores, labels, reduction="none")
        return self.tuplet_weight * tuplet - self.anchor_weight * of_class(class_scores, labels)


@MODELS.register_module()
class CenterLoss(ClassScoreLoss):
    """``1/2 d_y^2`` on class scores ``-d`` (Wen et al., 2016, eq. 2), a baseline of table 4.

    To be combined with the cross-entropy on the logits: ``logit_loss_weight=1`` of
    :class:`AnchorClassifier`.
    """

    def __init__(self, loss_name: str = "loss_center", **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)

    def per_sample(self, class_scores: Tensor, labels: Tensor) -> Tensor:
        return 0.5 * of_class(class_scores, labels).square()
