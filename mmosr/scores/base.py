"""What a post-hoc score is, and how one is built from its name."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmosr.registry import SCORES
from mmosr.utils import InputError

from .fitted import Fitted

# What a model must have for the scores of a space.
NEEDED = {
    "features": "the features before the last layer, but this model's decode head does not end in "
    "conv_seg",
    "layers": "the feature maps of the backbone and those before the last layer, but this model "
    "does not provide them",
}


class Score(nn.Module):
    """A post-hoc anomaly score; larger = more unknown.

    Args:
        num_classes: Known classes C.
        feature_dims: Channels D of the features; None if the host has no features that are
            followed by one linear classifier. For a score of the layers: the sum of their channels.
    """

    # 'logits': of class scores (N, C, *S), at the full resolution of the image.
    # 'features': of what enters the classifier, (N, D, *S), at its own resolution.
    # 'layers': of all levels of the backbone and what enters the classifier, (N, D, *S) together.
    # 'inputs': of network inputs (N, 3, H, W) and the function from those to the logits.
    space: ClassVar[str] = "logits"
    # What a segmentor does to its finished map unless the config says otherwise: see MapSmoothing.
    map_options: ClassVar[Mapping[str, bool]] = {}

    def __init__(self, num_classes: int, feature_dims: int | None = None) -> None:
        super().__init__()
        self.num_classes, self.feature_dims = num_classes, feature_dims
        if feature_dims is None and self.space in NEEDED:
            raise InputError(
                f"score {type(self).__name__} needs {NEEDED[self.space]}: choose a score of the "
                "logits"
            )


class Formula(Score):
    """A registered function of the logits."""

    def __init__(self, function: Callable[..., Tensor], num_classes: int, **options) -> None:
        super().__init__(num_classes)
        self.function = partial(function, **options)

    def forward(self, logits: Tensor) -> Tensor:
        return self.function(logits)


class FittedScore(Fitted, Score):
    """A score with fitted statistics, which are not in the state dict of the model.

    So any checkpoint of the host still fits. The statistics are stored next to the weights: see
    :meth:`statistics`.
    """

    def __init__(self, num_classes: int, feature_dims: int | None = None) -> None:
        super().__init__(num_classes, feature_dims)
        self.register_buffer("fitted", torch.tensor(False), persistent=False)

    def add_statistic(self, name: str, *shape: int) -> None:
        """Register a float32 statistic, zero until fitted."""
        self.register_buffer(name, torch.zeros(shape), persistent=False)

    def statistics(self) -> dict[str, Tensor]:
        """The fitted statistics by name, on the CPU; empty when unfitted."""
        if not self.fitted:
            return {}
        return {n: b.detach().cpu().clone() for n, b in self.named_buffers() if n != "fitted"}

    def load_statistics(self, values: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`statistics` returned.

        Raises:
            InputError: They are of another score or another number of classes or features.
        """
        own = {n: b for n, b in self.named_buffers() if n != "fitted"}
        for name, buffer in own.items():
            if name not in values or values[name].shape != buffer.shape:
                found = tuple(values[name].shape) if name in values else "none"
                raise InputError(
                    f"the statistics of {type(self).__name__} in the checkpoint do not fit: "
                    f"{name} has shape {tuple(buffer.shape)}, found {found}; "
                    "run tools/fit_score.py again"
                )
        for name, buffer in own.items():
            buffer.copy_(values[name])
        self.fitted.fill_(True)


class FittedMapScore(FittedScore):
    """A fitted score of the logits or of the features.

    A subclass defines :meth:`score`, ``accumulate`` and ``estimate``.
    """

    @torch.no_grad()
    def forward(self, maps: Tensor) -> Tensor:
        """Scores ``(N, *S)`` of ``(N, C or D, *S)``, in float32 even under autocast.

        Raises:
            InputError: Unfitted, or another number of channels.
        """
        self.require_fitted("the statistics")
        self._require_channels(maps)
        with torch.autocast(maps.device.type, enabled=False):
            return self.score(maps.float())

    @abstractmethod
    def score(self, maps: Tensor) -> Tensor:
        """Scores ``(N, *S)`` of float32 maps ``(N, C or D, *S)``."""

    def require_rows(self, rows: Tensor, labels: Tensor) -> None:
        """Refuse anything but rows ``(M, C or D)`` with one label each.

        Raises:
            InputError: Names the shapes.
        """
        self._require_channels(rows)
        if rows.dim() != 2 or labels.shape != rows.shape[:1]:
            raise InputError(
                f"{type(self).__name__} is fitted on rows (M, {rows.shape[1]}) and labels (M,), "
                f"got {tuple(rows.shape)} and {tuple(labels.shape)}: flatten the maps first"
            )

    def _require_channels(self, maps: Tensor) -> None:
        channels = self.num_classes if self.space == "logits" else self.feature_dims
        if maps.dim() < 2 or maps.shape[1] != channels:
            raise InputError(
                f"{type(self).__name__} was built for {self.space} (N, {channels}, ...), got "
                f"{tuple(maps.shape)}: build and fit it for this model"
            )


def build_score(
    config: str | Mapping[str, Any],
    num_classes: int,
    feature_dims: int | None = None,
    layer_dims: Callable[[], int | None] = lambda: None,
) -> Score:
    """Build a score from its name, or from ``dict(type=NAME, **options)``.

    Args:
        config: The name or dict; a ``name`` in it is left out.
        num_classes: Known classes.
        feature_dims: See :class:`Score`.
        layer_dims: Returns the channels of all layers together; called for a score of the layers.

    Raises:
        InputError: There is no such score, or it does not have such an option.
    """
    SCORES.import_from_location()
    options = {"type": config} if isinstance(config, str) else dict(config)
    options.pop("name", None)
    kind = options.pop("type", None)
    part = SCORES.module_dict.get(kind)
    if part is None:
        raise InputError(
            f"there is no score '{kind}': choose from {', '.join(sorted(SCORES.module_dict))}"
        )
    try:
        if isinstance(part, type):
            dims = layer_dims() if part.space == "layers" else feature_dims
            return part(num_classes, dims, **options)
        formula = Formula(part, num_classes, **options)
        formula(torch.zeros(1, num_classes))
        return formula
    except (TypeError, ValueError) as error:
        raise InputError(f"score '{kind}': {error}") from error
