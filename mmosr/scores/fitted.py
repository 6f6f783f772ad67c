"""Statistics that are fitted in one streamed pass over training data, on any number of ranks."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from mmengine.dist import all_gather, all_gather_object
from torch import Tensor, nn

from mmosr.utils import InputError

# What the rows of a fit can be: see Fitted.space.
SPACES = ("logits", "features", "layers", "embedding", "inputs")


def class_sums(rows: Tensor, labels: Tensor, num_classes: int) -> dict[str, Tensor]:
    """Number and sum of the rows of each class, in float64.

    Args:
        rows: ``(M, D)``.
        labels: Classes in ``[0, num_classes)``, ``(M,)``.

    Returns:
        ``count`` ``(C,)`` and ``total`` ``(C, D)``.
    """
    # A matrix product: on a GPU index_add_ adds in a different order each time.
    one_hot = (labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device)).double()
    return {"count": one_hot.sum(0), "total": one_hot.T @ rows.double()}


def sum_over_ranks(sums: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Add up the float64 sums of all ranks; every rank gets the same bits.

    Args:
        sums: The rank's own sums by name. A rank without a batch has none and counts as zero.
        device: Where such a rank creates its zeros.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for known in all_gather_object({name: tuple(value.shape) for name, value in sums.items()}):
        shapes.update(known)
    result = {}
    for name in sorted(shapes):
        own = sums.get(name)
        if own is None:
            own = torch.zeros(shapes[name], dtype=torch.float64, device=device)
        # Added here in the order of the ranks, which all_reduce does not guarantee.
        result[name] = sum(all_gather(own.contiguous()))
    return result


class Fitted(nn.Module, ABC):
    """A part of a model that owns fitted statistics: buffers, and a buffer ``fitted``.

    A pass calls :meth:`begin_fit`, then :meth:`update` for each batch, then :meth:`end_fit`. The
    sums of a batch are float64 and are added over batches and ranks, so that any number of ranks
    fits the same, up to the order of a sum.

    A subclass defines :meth:`accumulate` and :meth:`estimate`.
    """

    # 'logits': class scores at the full resolution of the labels; 'features': the input of the
    # classifier, 'layers': all levels of the backbone and the features, 'embedding': what the
    # classifier makes of the features, all three at the resolution of the features; 'inputs':
    # network inputs, the function from those to the logits and what to count, which are then the
    # arguments of `accumulate`.
    space: ClassVar[str]
    fit_split: ClassVar[str] = "train"
    fitted: Tensor

    def begin_fit(self) -> None:
        """Forget the statistics and start again."""
        self.fitted.fill_(False)
        self._sums: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, *batch) -> None:
        """Add a batch; the arguments are those of :meth:`accumulate`."""
        rows = torch.tensor(len(batch[0]), device=self.fitted.device)
        for name, value in {**self.accumulate(*batch), "rows": rows}.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value.double()

    @torch.no_grad()
    def end_fit(self) -> str | None:
        """Add up the ranks' sums and estimate the statistics from them.

        Returns:
            A warning for the user, or None.

        Raises:
            InputError: The pass had no sample, or one that is not finite.
        """
        own, self._sums = self._sums, {}
        sums = sum_over_ranks(own, self.fitted.device)
        if not sums or not sums.pop("rows"):
            raise self.no_sample()
        if not all(value.isfinite().all() for value in sums.values()):
            raise InputError(
                f"{type(self).__name__} cannot be fitted: the {self.space} of the "
                f"{self.fit_split} data hold NaN or infinite values; check the checkpoint"
            )
        warning = self.estimate(sums)
        self.fitted.fill_(True)
        return warning

    def no_sample(self) -> InputError:
        """The error of a pass without a sample of a known class."""
        return InputError(
            f"{type(self).__name__} cannot be fitted: the {self.fit_split} data hold no sample "
            "with a known label; check the dataset and its label map"
        )

    @abstractmethod
    def accumulate(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Sums over the rows ``(M, D)`` with known labels ``(M,)``; M may be 0.

        The name ``rows`` is reserved for the number of rows.
        """

    @abstractmethod
    def estimate(self, sums: dict[str, Tensor]) -> str | None:
        """Set the statistics from the sums over all data; may return a warning."""

    def require_fitted(self, what: str) -> None:
        """Refuse to work unfitted.

        Raises:
            InputError: Says what is missing and how to get it.
        """
        if not self.fitted:
            raise InputError(
                f"{what} of {type(self).__name__} are not fitted: run tools/fit_score.py on the "
                "checkpoint, or train with mmosr.FitHook in custom_hooks"
            )
