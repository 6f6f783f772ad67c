"""What a run of a protocol has given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .protocols import ImageProtocol


@dataclass
class ProtocolRun:
    """What a run of :func:`~mmosr.benchmark.images.run.run_protocol` has given.

    Args:
        protocol: The protocol.
        results: By method and trial, the content of ``result.json``. A trial is called by its
            number, or as ``'0 seed 1'`` where seeds were given.
        failures: By method and trial, one line.
        written: Files of the report.
    """

    protocol: ImageProtocol
    results: dict[str, dict[int | str, dict]] = field(default_factory=dict)
    failures: dict[str, dict[int | str, str]] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
