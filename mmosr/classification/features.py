"""One feature vector per image, from the outputs of mmpretrain's backbones."""

from collections.abc import Sequence

import torch
from mmpretrain.models.backbones import VGG, AlexNet, InceptionV3, LeNet5
from torch import Tensor, nn

from mmosr.utils import InputError

Features = Sequence[Tensor | Sequence[Tensor]]
Branch = int | str | None

_TOKENS = "of tokens (N, L, D) set backbone.out_type='avg_featmap' or 'cls_token' and no neck"
_SEQUENCES = "of maps (N, D, L) set neck=dict(type='GlobalAveragePooling', dim=1)"


def feature_vectors(feats: Features, in_channels: int, branch: Branch, owner: str) -> Tensor:
    """Features ``(N, D)`` of the last stage; ``(N, D, 1, 1)`` is flattened.

    Args:
        feats: Per stage a tensor or, from vision transformers, a list, where the last item is used.
        in_channels: The expected number D.
        branch: Which of several vectors of the last stage to use; ``'all'`` concatenates them.
        owner: Name of the caller, for messages.

    Raises:
        InputError: There are feature maps or tokens, several vectors without a choice, or another
            number of channels.
    """
    features = _last_item(feats[-1], branch, owner)
    shape = tuple(features.shape)
    if features[0].numel() != shape[1]:
        if len(shape) == 3:
            raise InputError(
                f"{owner} takes features (N, D), got {shape}: {_remedy(in_channels, shape)}"
            )
        raise InputError(
            f"{owner} takes features (N, D), got maps {shape}: "
            "set neck=dict(type='GlobalAveragePooling') in the model"
        )
    features = features.flatten(1)
    if features.shape[1] == 1:
        raise InputError(
            f"{owner}: the features have 1 channel, as when GlobalAveragePooling averages over the "
            f"channels too: {_TOKENS}; {_SEQUENCES}"
        )
    if features.shape[1] != in_channels:
        raise InputError(
            f"{owner}: in_channels is {in_channels}, but the features have "
            f"{features.shape[1]} channels: set head.in_channels={features.shape[1]}"
        )
    return features


def _last_item(last: Tensor | Sequence[Tensor], branch: Branch, owner: str) -> Tensor:
    parts = list(last) if isinstance(last, (list, tuple)) else [last]
    vectors = [part for part in parts if part.dim() == 2]
    if len(vectors) < 2:
        if branch is not None:
            raise InputError(
                f"{owner}: branch is {branch!r}, but the backbone gives one feature per image: "
                "remove head.branch"
            )
        return parts[-1]
    if branch == "all":
        return torch.cat(vectors, dim=1)
    if branch in range(len(vectors)):
        return vectors[branch]
    widths = [vector.shape[1] for vector in vectors]
    raise InputError(
        f"{owner}: the backbone gives {len(vectors)} feature vectors per image, of "
        f"{', '.join(map(str, widths))} channels (tokens or branches): set head.branch='all' with "
        f"head.in_channels={sum(widths)}, or head.branch=0 to {len(vectors) - 1} for one of them"
    )


def _remedy(in_channels: int, shape: tuple[int, ...]) -> str:
    """What to set for three-dimensional features; both ways if the layout is ambiguous."""
    _, first, second = shape
    if second == in_channels != first:
        return _TOKENS
    if first == in_channels != second:
        return _SEQUENCES
    return f"{_TOKENS}; {_SEQUENCES}"


def check_gives_features(backbone: nn.Module) -> None:
    """Check that a backbone ends in features for the head to classify.

    Raises:
        InputError: It ends in its own class scores.
    """
    name = type(backbone).__name__
    what = f"backbone {name} ends in its own class scores, but an open-set head takes features"
    if isinstance(backbone, InceptionV3):
        raise InputError(f"{what}: use another backbone, since {name} has no setting without them")
    if isinstance(backbone, (VGG, AlexNet, LeNet5)) and backbone.num_classes > 0:
        raise InputError(f"{what}: set backbone.num_classes=-1")
