"""What the user requests, and what the prepared folder then consists of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmosr.runs.hashes import bytes_hash

_NAMED_SOURCES = 4


@dataclass(frozen=True)
class Request:
    """Folders and options of one preparation; the paths are made absolute.

    Args:
        source: Folder of the download.
        folder: Where the prepared data goes.
        images: Folder of the images, if the download has only labels.
        version: Version of the download, if there are several.
        unknown_ids: Train ids of the classes that are unknown.
        copy: Copy instead of link.
    """

    source: Path
    folder: Path
    images: Path | None = None
    version: int | None = None
    unknown_ids: tuple[int, ...] | None = None
    copy: bool = False

    def __post_init__(self) -> None:
        for name in ("source", "folder", "images"):
            path = getattr(self, name)
            if path is not None:  # not resolved: data behind a link may be moved
                object.__setattr__(self, name, Path(os.path.abspath(path)))

    def options(self) -> dict:
        """The options that only some data sets have; None if not given."""
        return dict(images=self.images, version=self.version, unknown_ids=self.unknown_ids)


@dataclass(frozen=True)
class Output:
    """One file of the prepared folder.

    Args:
        path: Its path relative to the folder, with ``/``.
        sources: The files it is made from; exactly one without ``make``.
        how: What ``make`` does; an output that was made in another way is made again.
        make: Writes the file to a given path. None: a link to the source, or its copy.
    """

    path: str
    sources: tuple[Path, ...]
    how: str = ""
    make: Callable[[Path], None] | None = None

    def source_names(self, root: Path) -> list[str]:
        """Paths of the sources relative to ``root``; for many, the folder they are in."""
        sources = [os.fspath(source) for source in self.sources]
        if len(sources) > _NAMED_SOURCES:
            sources = [os.path.commonpath([os.path.dirname(source) for source in sources])]
        return [os.path.relpath(source, root) for source in sources]

    def stamp(self, root: Path) -> str:
        """Digest of names, sizes and modification times of the sources.

        Raises:
            OSError: A source is missing.
        """
        lines = []
        for source in self.sources:
            status = source.stat()
            name = os.fsencode(os.path.relpath(source, root))
            lines.append(b"%b %d %d\n" % (name, status.st_size, status.st_mtime_ns))
        return bytes_hash(b"".join(lines))[:16]


@dataclass(frozen=True)
class Plan:
    """All files of a prepared folder; their sources exist.

    Args:
        name: Name of the data set.
        source: Folder of the download.
        outputs: Files made only from the download.
        last: Files made from the outputs.
        options: What was requested.
        dataset: Arguments that the data set needs to read this folder.
        copy: Copy instead of link.
    """

    name: str
    source: Path
    outputs: tuple[Output, ...]
    last: tuple[Output, ...] = ()
    options: Mapping = field(default_factory=dict)
    dataset: Mapping = field(default_factory=dict)
    copy: bool = False

    @classmethod
    def of(cls, name: str, request: Request, outputs: Sequence[Output], **options) -> Plan:
        """The plan of a data set as requested."""
        return cls(name, request.source, tuple(outputs), copy=request.copy, **options)
