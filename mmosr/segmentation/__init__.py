"""Pixel adapters: thin classes between the methods and mmsegmentation."""

from .heads import LGMMHead, OpenSetHead
from .open_set_encoder_decoder import OpenSetEncoderDecoder, set_scores
from .tta import OpenSetTTAModel

__all__ = ["LGMMHead", "OpenSetEncoderDecoder", "OpenSetHead", "OpenSetTTAModel", "set_scores"]
