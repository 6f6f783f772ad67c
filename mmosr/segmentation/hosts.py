"""Which decode heads of mmseg can give anomaly maps: see ``docs/hosts.md``."""

from mmseg.models.decode_heads import (
    Mask2FormerHead,
    MaskFormerHead,
    SideAdapterCLIPHead,
    STDCHead,
    VPDDepthHead,
)
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import nn

from mmosr.utils import InputError

# Heads whose output is not class logits, and what it is: the class does not show it.
_NO_LOGITS = {
    Mask2FormerHead: "sums of mask scores",
    MaskFormerHead: "sums of mask scores",
    SideAdapterCLIPHead: "sums of mask scores",
    STDCHead: "the borders of objects",
    VPDDepthHead: "a depth map",
}


def check_class_logits(kind: str | type) -> None:
    """Refuse a head whose output is not class logits.

    By its class, before it is built: building some needs mmdet.

    Args:
        kind: ``type`` of the head's config.

    Raises:
        InputError: Scores have no meaning there.
    """
    head = MMSEG_MODELS.get(kind) if isinstance(kind, str) else kind
    for base in head.__mro__ if isinstance(head, type) else ():
        if base in _NO_LOGITS:
            raise InputError(
                f"decode head {head.__name__} outputs {_NO_LOGITS[base]}, not one logit per class, "
                "so anomaly scores have no meaning: use another head, see docs/hosts.md"
            )


def check_cascade(decode_head: nn.Module) -> None:
    """Refuse a binary head, and a cascade head without a cascade.

    Args:
        decode_head: The segmentor's, a ``ModuleList`` in a cascade.

    Raises:
        InputError: Says what to set or to use.
    """
    heads = decode_head if isinstance(decode_head, nn.ModuleList) else [decode_head]
    if heads[-1].out_channels < 2:
        raise InputError("anomaly scores need one logit per class: set out_channels=num_classes")
    first = getattr(heads[0], "host", heads[0])
    if isinstance(first, BaseCascadeDecodeHead):
        raise InputError(
            f"decode head {type(first).__name__} works on the output of another one: use "
            "mmosr.OpenSetCascadeEncoderDecoder with a list of two heads"
        )


def check_replaceable(host: str) -> None:
    """Refuse a host of an open-set head by its class, before it is built.

    Args:
        host: Its type; an unknown one is left to the registry.

    Raises:
        InputError: It does not train on its class scores only.
    """
    kind = MMSEG_MODELS.get(host)
    if kind is None:
        return
    if not issubclass(kind, BaseDecodeHead):
        raise irreplaceable(host, "is not derived from BaseDecodeHead, which ends in conv_seg")
    bases = (BaseDecodeHead, BaseCascadeDecodeHead)
    for name in ("loss", "loss_by_feat"):
        if getattr(kind, name) not in [getattr(base, name) for base in bases]:
            raise irreplaceable(host, f"has a loss of its own ({name})")


def irreplaceable(host: str, reason: str) -> InputError:
    """The error for a host whose last layer cannot be replaced."""
    return InputError(
        f"decode head {host!r} {reason}, so its classifier cannot be replaced; use a head such as "
        "FCNHead, UPerHead or DepthwiseSeparableASPPHead"
    )
