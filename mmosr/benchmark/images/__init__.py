"""Protocols of open-set recognition on images: training, testing and reporting all trials."""

from .run import run_protocol

__all__ = ["run_protocol"]
