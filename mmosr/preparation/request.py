"""What the user asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """Folders and options of one preparation; the paths are made absolute.

    Args:
        source: Folder of the download.
        folder: Where the prepared data goes.
        images: Folder of the images, where the download holds only labels.
        version: Version of the download, where there are several.
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
            if path is not None:  # not resolved: data may be moved behind a link
                object.__setattr__(self, name, Path(os.path.abspath(path)))

    def options(self) -> dict:
        """The options that only some data sets have, None where not given."""
        return dict(images=self.images, version=self.version, unknown_ids=self.unknown_ids)
