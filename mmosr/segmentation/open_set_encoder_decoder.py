"""Segmentors that give anomaly maps beside their predictions."""

from mmseg.models import CascadeEncoderDecoder, EncoderDecoder
from mmseg.registry import MODELS as MMSEG_MODELS

from mmosr.registry import MODELS
from mmosr.utils import InputError

from .anomaly_maps import AnomalyMaps, ScoreConfig


@MODELS.register_module()
class OpenSetEncoderDecoder(AnomalyMaps, EncoderDecoder):
    """mmseg's :class:`EncoderDecoder` with anomaly maps: see :class:`AnomalyMaps`."""


@MODELS.register_module()
class OpenSetCascadeEncoderDecoder(AnomalyMaps, CascadeEncoderDecoder):
    """mmseg's :class:`CascadeEncoderDecoder` (OCRNet) with anomaly maps of its last head.

    See :class:`AnomalyMaps`.
    """


_OPEN_SET = {
    EncoderDecoder: "mmosr.OpenSetEncoderDecoder",
    CascadeEncoderDecoder: "mmosr.OpenSetCascadeEncoderDecoder",
}


def set_scores(model_cfg: dict, score: ScoreConfig) -> None:
    """Choose the anomaly scores in a model's config.

    Args:
        model_cfg: Changed in place; mmseg's own segmentor becomes the open-set one.
        score: As in :class:`AnomalyMaps`.

    Raises:
        InputError: The model is of a type that gives no anomaly scores.
    """
    kind = model_cfg["type"]
    cls = MMSEG_MODELS.get(kind) if isinstance(kind, str) else kind
    if cls in _OPEN_SET:
        model_cfg["type"] = _OPEN_SET[cls]
    elif cls is None or not issubclass(cls, AnomalyMaps):
        raise InputError(
            f"model type '{kind}' gives no anomaly score: use mmseg's EncoderDecoder or "
            "CascadeEncoderDecoder, or mmosr's of these"
        )
    model_cfg["score"] = score
