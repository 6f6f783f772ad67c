"""Protocols of the benchmarks: what is measured, by which rules, and published results.

The protocols are data in ``protocols.json``. The version of a protocol increases with every change
that affects a figure, so results with the same identifier and version can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmosr.benchmark.protocol_file import ProtocolFile
from mmosr.evaluation.components import ComponentSizes

PROTOCOLS = ProtocolFile(Path(__file__).with_name("protocols.json"))
_BY_LABELS = "as the labels of the data set say"


@dataclass(frozen=True)
class Published:
    """A published result, in percent.

    Args:
        method: Name in the publication.
        source: Paper and table.
        AUROC: None if not published, like AP and FPR95.
        AP: Average precision.
        FPR95: False positive rate at a true positive rate of 95 %.
        note: Remark in the publication; may be empty.
        backbone: Network; None if the source does not say.
        unknown_data: Whether the training used unknown data.
        resynthesis: Whether the method has an extra network that synthesises images.
    """

    method: str
    source: str
    AUROC: float | None = None
    AP: float | None = None
    FPR95: float | None = None
    note: str = ""
    backbone: str | None = None
    unknown_data: bool = False
    resynthesis: bool = False


@dataclass(frozen=True)
class Protocol:
    """How a data set is evaluated.

    Args:
        identifier: Name of the protocol; ``custom`` for the user's own data.
        version: At least 1; 0 for ``custom``.
        title: Human-readable name.
        source: Paper or tool that the protocol follows.
        components: Smallest components that count, in pixels; None without component figures.
        published: Results to compare with.
        known: Which pixels are known.
        unknown: Which pixels are unknown.
        ignored: Which pixels are not counted in any figure.
    """

    identifier: str
    version: int
    title: str
    source: str
    components: ComponentSizes | None = None
    published: tuple[Published, ...] = ()
    known: str = _BY_LABELS
    unknown: str = _BY_LABELS
    ignored: str = _BY_LABELS

    @property
    def rules(self) -> dict[str, str]:
        """The rule of every figure in words; those of components only if they are counted."""
        rules = dict(PROTOCOLS.rules["pixel"])
        if self.components is not None:
            rules |= PROTOCOLS.rules["components"]
        return rules


def load_protocol(name: str) -> Protocol:
    """The newest version of a protocol; an InputError if there is none."""
    entry = PROTOCOLS.entry(name)
    sizes, published = entry["components"], tuple(Published(**row) for row in entry["published"])
    components = ComponentSizes(**sizes) if sizes else None
    return Protocol(**{**entry, "components": components, "published": published})


def custom_protocol(
    title: str, source: str = "", components: ComponentSizes | None = None
) -> Protocol:
    """The protocol of the user's own data, defined in ``source``; nothing is published for it."""
    return Protocol("custom", 0, title, source, components)
