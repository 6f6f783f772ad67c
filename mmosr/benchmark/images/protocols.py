"""Protocols of open-set recognition: which images are known and unknown, and what is reported.

The protocols are data in ``protocols.json``, with published results. The version of a protocol
increases with every change that affects a figure, so results with the same identifier and version
can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmosr.benchmark.protocol_file import ProtocolFile

PROTOCOLS = ProtocolFile(Path(__file__).with_name("protocols.json"))


@dataclass(frozen=True)
class PublishedFigures:
    """A published result.

    Args:
        method: Name in the publication.
        source: Paper and table.
        figures: Per figure, in percent: the mean, and the standard deviation where it is printed.
        network: None if the source does not say.
        note: May be empty.
    """

    method: str
    source: str
    figures: Mapping[str, tuple[float, float | None]]
    network: str | None = None
    note: str = ""


@dataclass(frozen=True)
class ImageProtocol:
    """A protocol of open-set recognition.

    Args:
        identifier: Its name.
        version: At least 1.
        title: Human-readable name.
        source: Paper that defines it.
        known: Which images are known, in words.
        unknown: Which test images are unknown, in words.
        num_known: Number of known classes.
        class_split: Identifier of the class split, see :func:`mmosr.datasets.load_split`; None if
            all classes of one data set are known and the unknown images are from another.
        ratio: Unknown test images per known one; None: all.
        trials: Number of trials; without a class split they differ only in their seed.
        figures: What is reported, most important first: keys of
            :func:`~mmosr.evaluation.recognition.recognition_figures`, ``macro-F1`` or
            ``accuracy/top1``.
        published: Results to compare with.
    """

    identifier: str
    version: int
    title: str
    source: str
    known: str
    unknown: str
    num_known: int
    class_split: str | None
    ratio: float | None
    trials: int
    figures: tuple[str, ...]
    published: tuple[PublishedFigures, ...]

    @property
    def rules(self) -> dict[str, str]:
        """The rule of every reported figure, in words."""
        return {name: PROTOCOLS.rules[name] for name in ("all", *self.figures)}


def load_image_protocol(name: str) -> ImageProtocol:
    """The newest version of a protocol; an InputError if there is none."""
    entry = PROTOCOLS.entry(name)
    published = tuple(_published(row) for row in entry["published"])
    return ImageProtocol(**{**entry, "figures": tuple(entry["figures"]), "published": published})


def _published(row: Mapping) -> PublishedFigures:
    figures = {name: (value[0], *value[1:], None)[:2] for name, value in row["figures"].items()}
    return PublishedFigures(**{**row, "figures": figures})
