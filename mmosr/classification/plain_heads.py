"""What mmpretrain's own heads provide: their logits, and the layer that computes them."""

from collections.abc import Sequence

from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.models.heads import ClsHead, ConformerHead
from torch import Tensor, nn

from mmosr.utils import InputError


def logits_of(scores: Tensor | Sequence[Tensor]) -> Tensor:
    """Logits ``(N, C)`` of the host's softmax, from the output of a head.

    ``ConformerHead`` returns the class scores of its two branches and predicts from their sum.
    """
    return scores if isinstance(scores, Tensor) else sum(scores)


def count_classes(model: ImageClassifier) -> int:
    """Number of class scores of a model of mmpretrain.

    Raises:
        InputError: Its predictions are not the softmax of one logit per class, or their number is
            unknown.
    """
    head, name = model.head, type(model.head).__name__
    if not _is_softmax(head):
        raise InputError(
            f"head {'none' if head is None else name} gives no softmax over classes, so anomaly "
            "scores have no meaning: use a head for one label per image, such as LinearClsHead or "
            "mmosr.OpenSetClsHead"
        )
    if getattr(head, "num_classes", None):
        return head.num_classes
    layers = linear_layers(model)  # VigClsHead does not store the number
    if not layers:
        raise InputError(
            f"head {name} has no layer of its own, and {type(model.backbone).__name__} no linear "
            "one that would give class scores: set num_classes of the backbone where it has such a "
            "setting, or use a head with classes, such as LinearClsHead"
        )
    return layers[-1].out_features


def _is_softmax(head: nn.Module | None) -> bool:
    """Whether the predictions are the softmax of :func:`logits_of` the head's output."""
    if not isinstance(head, ClsHead):
        return False
    kind = type(head)
    own = kind._get_predictions is not ClsHead._get_predictions
    return not own and kind.predict in (ClsHead.predict, ConformerHead.predict)


def last_linear(model: ImageClassifier) -> nn.Linear | None:
    """The linear layer that computes the logits in a model with a plain head.

    It is the one with as many outputs as there are classes. None if there are none or several, as
    in distilled transformers, which average the logits of two layers.
    """
    classes = count_classes(model)
    layers = [layer for layer in linear_layers(model) if layer.out_features == classes]
    return layers[0] if len(layers) == 1 else None


def linear_layers(model: ImageClassifier) -> list[nn.Linear]:
    """All linear layers of a head, in the order in which they were made.

    A head that passes on its input has none: then those of the neck or, failing that, of the
    backbone, which itself ends in the class scores.
    """
    parts, kind = [model.head], type(model.head)
    if kind.forward is ClsHead.forward and kind.pre_logits is ClsHead.pre_logits:
        parts += [model.neck, model.backbone]
    for part in filter(None, parts):
        layers = [layer for layer in part.modules() if isinstance(layer, nn.Linear)]
        if layers:
            return layers
    return []
