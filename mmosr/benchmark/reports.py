"""What pixel and image reports share: their files, and how a source is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmosr.runs.files import write_text
from mmosr.runs.record import write_json
from mmosr.runs.tables import plain, write_csv


def write_files(
    stem: Path,
    content: Mapping,
    rows: Iterable[Mapping[str, Any] | Sequence],
    markdown: Iterable[str],
    **csv_options: Any,
) -> list[Path]:
    """Write ``STEM.json``, ``STEM.csv`` and ``STEM.md``, each atomically.

    Args:
        stem: Path of the files without their suffixes.
        content: Content of the JSON file.
        rows: Rows of the CSV file.
        markdown: Lines of the markdown file.
        **csv_options: Options of :func:`~mmosr.runs.tables.write_csv`.
    """
    paths = [stem.with_suffix(f".{kind}") for kind in ("json", "csv", "md")]
    write_json(paths[0], content)
    write_csv(paths[1], rows, **csv_options)
    write_text(paths[2], "\n".join([*markdown, ""]))
    return paths


def source_text(source: str, note: str) -> str:
    """Where a published result is from, with what the publication notes about it."""
    return f"{source} ({note})" if note else source


def versions_text(versions: Mapping[str, str]) -> str:
    """Versions of packages, as markdown."""
    return ", ".join(f"{plain(name)} {plain(version)}" for name, version in versions.items())
