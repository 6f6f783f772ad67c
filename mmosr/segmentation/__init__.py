"""Pixel adapters: thin classes between the methods and mmsegmentation."""

from .heads import LGMMHead, OpenSetHead
from .open_set_encoder_decoder import OpenSetEncoderDecoder

__all__ = ["LGMMHead", "OpenSetEncoderDecoder", "OpenSetHead"]
