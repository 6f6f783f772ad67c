"""Protocols of the benchmarks: what is measured, by which rules, and what others have published.

The protocols are data, in ``protocols.json``. The version of a protocol grows with every change
that moves a figure, so results of one identifier and version can be compared.
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
        AUROC: None where not published, as AP and FPR95.
        AP: Average precision.
        FPR95: False positive rate at a true positive rate of 95 %.
        note: Of the publication; may be empty.
        backbone: Network, None where the source does not say it.
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
    """What a data set is measured by.

    Args:
        identifier: Name of the protocol; ``custom`` for the user's own data.
        version: 1 and above; 0 for ``custom``.
        title: For people.
        source: Paper or tool that it follows.
        components: Smallest components that count, in pixels; None without component figures.
        published: Results to compare with.
        known: Which pixels are known.
        unknown: Which pixels are unknown.
        ignored: Which pixels no figure counts.
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
        """The rule of every figure in words; those of components only where they are counted."""
        rules = dict(PROTOCOLS.rules["pixel"])
        if self.components is not None:
            rules |= PROTOCOLS.rules["components"]
        return rules


def load_protocol(name: str) -> Protocol:
    """The newest version of a protocol, an InputError where there is none."""
    entry = PROTOCOLS.entry(name)
    sizes, published = entry["components"], tuple(Published(**row) for row in entry["published"])
    components = ComponentSizes(**sizes) if sizes else None
    return Protocol(**{**entry, "components": components, "published": published})


def custom_protocol(
    title: str, source: str = "", components: ComponentSizes | None = None
) -> Protocol:
    """The protocol of the user's own data, defined in ``source``; nothing is published for it."""
    return Protocol("custom", 0, title, source, components)
