"""OpenMax (Bendale and Boult, 2016)."""

from collections.abc import Mapping

import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from mmosr.registry import SCORES
from mmosr.utils import InputError

from .base import FittedMapScore
from .weibull import fit_weibull

DISTANCES = ("eucos", "euclidean", "cosine")
# Weight of the Euclidean distance relative to the cosine distance in the authors' code.
EUCOS_WEIGHT = 1 / 200
# Two samples are equally far from their mean, which says nothing about a tail.
MIN_SAMPLES = 3


def distances(rows: Tensor, means: Tensor, kind: str) -> Tensor:
    """Distances ``(M,)`` of rows ``(M, C)`` to means ``(M, C)`` or ``(C,)``.

    ``'euclidean'``, without the 1 / 200 of the authors' code; ``'cosine'``: 1 - cosine, with cosine
    0 for a vector of zeros; ``'eucos'``: Euclidean / 200 + cosine distance.
    """
    # Row by row, not by a matrix product, whose rounding depends on the other rows.
    euclidean = (rows - means).square().sum(-1).sqrt()
    if kind == "euclidean":
        return euclidean
    norms = (rows.square().sum(-1) * means.square().sum(-1)).sqrt()
    cosine = 1 - (rows * means).sum(-1) / norms.clamp_min(torch.finfo(norms.dtype).tiny)
    return cosine if kind == "cosine" else EUCOS_WEIGHT * euclidean + cosine


@SCORES.register_module("openmax")
class OpenMax(FittedMapScore):
    """Log odds of the unknown class, ``log(P_0 / (1 - P_0))`` (Bendale and Boult, 2016).

    They rank like the probability ``P_0`` itself, which float32 rounds to 0 or 1 where they still
    differ. :meth:`probabilities` returns the whole OpenMax vector. Far beyond the tails ``w`` below
    is 1 to the last digit: there only the logits count, no longer the distance.

    Fit: ``mu_y`` is the mean of the logits of the training images of class y that are classified
    correctly; a Weibull distribution is fitted to the ``tail_size`` largest of their distances to
    it. Score: the logit of the i-th most likely class y, ``i = 1 ... alpha``, is revised to
    ``v_y (1 - r_i w_y)`` with ``r_i = (alpha + 1 - i) / alpha`` and ``w_y`` the distribution
    function at the distance of the image to ``mu_y``; the sum of all reductions is the logit of
    unknown, followed by the softmax over C + 1. As in the paper and its code a negative logit rises
    at the expense of unknown, and a constant added to all logits changes the result.

    The closed-set prediction remains the model's, the largest logit before the revision. OpenMax
    may put another known class first, as it reduces the top one most.

    This follows the authors' code. The paper prints the survival function in place of ``w`` and
    ``alpha - i`` for ``alpha + 1 - i``, which would revise what is near and leave what is far. The
    authors average over ten crops, each with its own means; here there is one view.
    With C < alpha all C classes are revised, with alpha = C in ``r``.

    Tail: libmr, which the authors use, does not fit distances d but
    ``d - min(tail) + translation`` with location 0, and its Python binding has translation 10000.
    It is the default here because the published numbers are based on it. That far from 0 the
    Weibull distribution is a Gumbel distribution of minima, to 1e-4: w is a smooth step with the
    width of the tail, above 0 even for distances below the tail. Others use 1 (the authors' later
    PyTorch code), which depends on the unit of the distance. The fit is by
    :func:`~mmosr.scores.weibull.fit_weibull`.

    The fit needs the means before the distances, so it keeps the logits of all correct samples,
    in float32 on the CPU, each rank its own, and gathers one class at a time. Statistics are bit
    for bit the same for any order and any number of ranks. Hundreds of millions of pixels do not
    fit and are refused at ``max_gib``: their 20 largest distances would be those of label errors.

    Not revised, with a warning: the logit of a class with fewer than 3 correct samples, or with
    distances that do not differ. A class with fewer than ``tail_size`` is fitted on all it has,
    also with a warning.

    Args:
        num_classes: Known classes C.
        feature_dims: Not used.
        tail_size: Distances in a tail.
        alpha: Classes whose logits are revised.
        distance: ``'eucos'``, ``'euclidean'`` or ``'cosine'``, see :func:`distances`.
        translation: Above 0, in units of the distance.
        max_gib: Most memory for the logits of a rank during the fit, in GiB.
    """

    space = "logits"

    def __init__(
        self,
        num_classes: int,
        feature_dims: int | None = None,
        tail_size: int = 20,
        alpha: int = 10,
        distance: str = "eucos",
        translation: float = 10000.0,
        max_gib: float = 6.0,
    ) -> None:
        super().__init__(num_classes, feature_dims)
        if distance not in DISTANCES:
            raise ValueError(f"distance must be one of {DISTANCES}, got {distance!r}")
        if tail_size < MIN_SAMPLES:
            raise ValueError(f"tail_size must be at least {MIN_SAMPLES}, got {tail_size}")
        if alpha < 1:
            raise ValueError(f"alpha must be at least 1, got {alpha}")
        if translation <= 0:
            raise ValueError(f"translation must be above 0, got {translation}")
        self.tail_size, self.alpha = tail_size, min(alpha, num_classes)
        self.distance, self.translation, self.max_gib = distance, translation, max_gib
        self.add_statistic("means", num_classes, num_classes)
        self.add_statistic("tail_starts", num_classes)
        self.add_statistic("shapes", num_classes)
        # Of scale / translation: next to 10000 float32 would drop the digits that matter.
        self.add_statistic("log_scales", num_classes)
        self.add_statistic("usable", num_classes)
        self.add_statistic("fit_options", 3)

    # --- the score ------------------------------------------------------------------------------

    def score(self, maps: Tensor) -> Tensor:
        activations = self._activations(maps)
        return (activations[:, -1] - activations[:, :-1].logsumexp(1)).float()

    @torch.no_grad()
    def probabilities(self, logits: Tensor) -> Tensor:
        """OpenMax of the known classes and, last, of unknown.

        Args:
            logits: ``(N, C, *S)``.

        Returns:
            float32 ``(N, C + 1, *S)``, summing to 1.

        Raises:
            InputError: Unfitted, or another number of channels.
        """
        self.require_fitted("the statistics")
        self._require_channels(logits)
        return torch.softmax(self._activations(logits), 1).float()

    def _activations(self, maps: Tensor) -> Tensor:
        """Revised logits and, last, that of unknown, in float64 ``(N, C + 1, *S)``."""
        maps = maps.movedim(1, -1)
        # float64: near the mean the cosine distance is a small difference.
        rows = maps.reshape(-1, self.num_classes).double()
        revised, unknown = rows.clone(), rows.new_zeros(len(rows), 1)
        ranked = rows.argsort(dim=1, descending=True, stable=True)
        # One class of each row at a time: all at once would be (M, alpha, C).
        for rank in range(self.alpha):
            column = ranked[:, rank : rank + 1]
            outlier = self._outlier_probability(rows, column.squeeze(1)).unsqueeze(1)
            logit = rows.gather(1, column)
            lost = logit * outlier * (self.alpha - rank) / self.alpha
            revised.scatter_(1, column, logit - lost)
            unknown += lost
        activations = torch.cat([revised, unknown], 1)
        return activations.reshape(*maps.shape[:-1], -1).movedim(-1, 1)

    def _outlier_probability(self, rows: Tensor, labels: Tensor) -> Tensor:
        """``w`` of one class of each row: the distribution function at the distance, ``(M,)``."""
        means, starts, shapes, log_scales = (
            values.double()[labels]
            for values in (self.means, self.tail_starts, self.shapes, self.log_scales)
        )
        excess = (distances(rows, means, self.distance) - starts) / self.translation
        # Left of the location, -1, the distribution function is 0.
        log_ratio = torch.log1p(excess.clamp_min(-1)) - log_scales
        outlier = -torch.expm1(-torch.exp(shapes * log_ratio))
        return outlier.where(self.usable[labels] > 0, 0)

    # --- the fit --------------------------------------------------------------------------------

    def begin_fit(self) -> None:
        super().begin_fit()
        self._correct: list[list[Tensor]] = [[] for _ in range(self.num_classes)]
        self._bytes = 0

    @torch.no_grad()
    def update(self, rows: Tensor, labels: Tensor) -> None:
        """Add a batch, and keep its correctly classified rows.

        Args:
            rows: Logits ``(M, C)``.
            labels: Classes, ``(M,)``.

        Raises:
            InputError: The rows kept so far exceed ``max_gib``.
        """
        super().update(rows, labels)
        kept = rows.argmax(1) == labels
        rows, labels = rows[kept].float().cpu(), labels[kept].cpu()
        self._bytes += rows.nbytes
        if self._bytes > self.max_gib * 2**30:
            raise InputError(
                "score openmax keeps the logits of all correctly classified samples while it is "
                f"fitted, and they exceed max_gib = {self.max_gib:g} GiB: it is meant for images, "
                "not for pixels; for that many images raise max_gib or fit on more ranks"
            )
        for label in labels.unique().tolist():
            self._correct[label].append(rows[labels == label])

    def end_fit(self) -> str | None:
        try:
            return super().end_fit()
        finally:
            self._correct = []

    def accumulate(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Number of correct samples of each class, and the sum of all logits."""
        self.require_rows(rows, labels)
        correct = labels[rows.argmax(1) == labels]
        count = torch.bincount(correct, minlength=self.num_classes)
        # The sum shows a NaN, which is never correct.
        return {"count": count, "total": rows.double().sum(0)}

    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        if sums["count"].max() < MIN_SAMPLES:
            raise self._no_tail()
        names = ("means", "tail_starts", "shapes", "log_scales", "usable")
        fits = [self._fit_class(self._gather(label)) for label in range(self.num_classes)]
        for name, values in zip(names, zip(*fits, strict=True), strict=True):
            getattr(self, name).copy_(torch.stack(values))
        if not self.usable.any():
            raise self._no_tail()
        self.fit_options.copy_(self._own_options())
        return self._warning(sums["count"])

    def _no_tail(self) -> InputError:
        return InputError(
            f"{type(self).__name__} cannot be fitted: no class has {MIN_SAMPLES} correctly "
            f"classified samples in the {self.fit_split} data at distances that differ; check the "
            "checkpoint and the labels"
        )

    def _gather(self, label: int) -> Tensor:
        """Correct rows of a class from all ranks, float32 ``(M, C)``, in no particular order."""
        parts, self._correct[label] = self._correct[label], []
        own = torch.cat([torch.zeros(0, self.num_classes), *parts])
        return torch.cat(all_gather_object(own))

    def _fit_class(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Mean, start of the tail, shape, logarithm of the scale and usability of a class."""
        zero = torch.zeros(())
        if not len(rows):
            return torch.zeros(self.num_classes), zero, zero, zero, zero
        rows = rows.double()
        # Each column in ascending order: the sum of floats depends on their order.
        exact = rows.sort(0).values.sum(0) / len(rows)
        mean = exact.float()
        # To the rounded mean, which the score uses.
        found = distances(rows, mean.double(), self.distance)
        rounding = 8 * (found - distances(rows, exact, self.distance)).abs().max()
        rounding += 1e-14 * (1 + found.max())
        tail = found.sort(descending=True).values[: self.tail_size]
        # The score measures from the stored start, which may be rounded to beyond the tail's.
        start = tail[-1].float()
        rounding = torch.maximum(rounding, (tail[-1] - start.double()).abs())
        if len(tail) < MIN_SAMPLES or tail[0] - tail[-1] <= rounding:
            return mean, start, zero, zero, zero
        logs = torch.log1p((tail - start.double()).clamp_min(0) / self.translation)
        shape, log_scale = fit_weibull(logs.numpy())
        return mean, start, torch.tensor(shape), torch.tensor(log_scale), torch.ones(())

    def _warning(self, count: Tensor) -> str | None:
        unused = self.usable.cpu() == 0
        short = (count.cpu() < self.tail_size) & ~unused
        lines = []
        if unused.any():
            lines.append(
                f"classes {unused.nonzero().flatten().tolist()} have fewer than {MIN_SAMPLES} "
                "correct samples, or distances that do not differ: their logits are not revised"
            )
        if short.any():
            lines.append(
                f"classes {short.nonzero().flatten().tolist()} have fewer than tail_size = "
                f"{self.tail_size} correct samples: fitted on all of them"
            )
        return "; ".join(lines) or None

    # --- where the statistics travel ------------------------------------------------------------

    def _own_options(self) -> Tensor:
        return torch.tensor([DISTANCES.index(self.distance), self.tail_size, self.translation])

    def load_statistics(self, values: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`statistics` returned.

        Raises:
            InputError: They are of another score or number of classes, or had other options.
        """
        found, own = values.get("fit_options"), self._own_options()
        if found is not None and found.shape == own.shape and (found.cpu() != own).any():
            kind, size, translation = found.tolist()
            raise InputError(
                "the statistics of OpenMax in the checkpoint were fitted with "
                f"distance='{DISTANCES[int(kind)]}', tail_size={int(size)}, "
                f"translation={translation:g}: set these, or run tools/fit_score.py again"
            )
        super().load_statistics(values)
