"""Segmentors that give anomaly maps together with their predictions."""

from mmseg.models import CascadeEncoderDecoder, EncoderDecoder

from mmosr.registry import MODELS

from .anomaly_maps import AnomalyMaps


@MODELS.register_module()
class OpenSetEncoderDecoder(AnomalyMaps, EncoderDecoder):
    """mmseg's :class:`EncoderDecoder` with anomaly maps: see :class:`AnomalyMaps`."""

    host_type = EncoderDecoder


@MODELS.register_module()
class OpenSetCascadeEncoderDecoder(AnomalyMaps, CascadeEncoderDecoder):
    """mmseg's :class:`CascadeEncoderDecoder` (OCRNet) with anomaly maps of its last head.

    See :class:`AnomalyMaps`.
    """

    host_type = CascadeEncoderDecoder
