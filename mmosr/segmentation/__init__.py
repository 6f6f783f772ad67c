"""Pixel adapters: thin classes between the methods and mmsegmentation."""

from .anomaly_maps import AnomalyMaps
from .heads import CACHead, LGMMHead, MethodHead, MOvRHead, OpenSetHead
from .open_set_encoder_decoder import OpenSetCascadeEncoderDecoder, OpenSetEncoderDecoder
from .tta import OpenSetTTAModel

__all__ = [
    "AnomalyMaps",
    "CACHead",
    "LGMMHead",
    "MOvRHead",
    "MethodHead",
    "OpenSetCascadeEncoderDecoder",
    "OpenSetEncoderDecoder",
    "OpenSetHead",
    "OpenSetTTAModel",
]
