"""What mmpretrain's own heads give: their logits, and the layer that makes them."""

from collections.abc import Sequence

from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.models.heads import ClsHead, ConformerHead
from torch import Tensor, nn

from mmosr.utils import InputError


def logits_of(scores: Tensor | Sequence[Tensor]) -> Tensor:
    """Logits ``(N, C)``, whose softmax the host predicts, from what a head gives.

    ``ConformerHead`` gives the class scores of its two branches and predicts from their sum.
    """
    return scores if isinstance(scores, Tensor) else sum(scores)


def count_classes(model: ImageClassifier) -> int:
    """Number of class scores of a model of mmpretrain.

    Raises:
        InputError: Its predictions are not the softmax of one logit per class, or nothing tells the
            number of them.
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
    layers = linear_layers(model)  # VigClsHead does not keep the number
    if not layers:
        raise InputError(
            f"head {name} has no layer of its own, and {type(model.backbone).__name__} no linear "
            "one that would give class scores: set num_classes of the backbone where it has such a "
            "setting, or use a head with classes, such as LinearClsHead"
        )
    return layers[-1].out_features


def _is_softmax(head: nn.Module | None) -> bool:
    """Whether the predictions are the softmax of :func:`logits_of` what the head gives."""
    if not isinstance(head, ClsHead):
        return False
    kind = type(head)
    own = kind._get_predictions is not ClsHead._get_predictions
    return not own and kind.predict in (ClsHead.predict, ConformerHead.predict)


def last_linear(model: ImageClassifier) -> nn.Linear | None:
    """The linear layer of a model with a plain head that gives the logits.

    It is the one with as many outputs as there are classes. None where there is none or where
    there are several, as in distilled transformers, whose logits are a mean over two layers.
    """
    classes = count_classes(model)
    layers = [layer for layer in linear_layers(model) if layer.out_features == classes]
    return layers[0] if len(layers) == 1 else None


def linear_layers(model: ImageClassifier) -> list[nn.Linear]:
    """All linear layers of a head, in the order in which they were made.

    A head that hands on what it gets has none: then those of the neck or, failing that, of the
    backbone, which ends in the class scores itself.
    """
    parts, kind = [model.head], type(model.head)
    if kind.forward is ClsHead.forward and kind.pre_logits is ClsHead.pre_logits:
        parts += [model.neck, model.backbone]
    for part in filter(None, parts):
        layers = [layer for layer in part.modules() if isinstance(layer, nn.Linear)]
        if layers:
            return layers
    return []
