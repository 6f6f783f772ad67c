"""Protocols of open-set recognition on images: training, test and report of all trials."""

from .run import run_protocol

__all__ = ["run_protocol"]
