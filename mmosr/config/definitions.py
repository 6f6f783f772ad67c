"""Definitions of data sets to test on: ``configs/_base_/benchmarks``, and similar files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmosr.utils import InputError
from mmosr.utils.resources import find_config, resource

from .loading import load_config

FOLDER = Path("configs", "_base_", "benchmarks")


def read_definition(name: str, more_names: Sequence[str] = ()) -> tuple[Path, Mapping]:
    """The file of a definition, and its ``benchmark = dict(dataset=dict(...), ...)``.

    Args:
        name: Name of a file in ``configs/_base_/benchmarks``, or the path of such a file.
        more_names: Other choices of the user, for the message.

    Raises:
        InputError: The file does not exist, or defines no data set.
    """
    folder = resource(*FOLDER.parts)
    is_path = name.endswith(".py") or os.sep in name
    path = find_config(name) if is_path else folder / f"{name}.py"
    if not path.is_file():
        names = [*more_names, *sorted(file.stem for file in folder.glob("*.py"))]
        raise InputError(
            f"no data set '{name}': choose from {', '.join(names)}, or give the path of a file "
            "that defines one"
        )
    benchmark = load_config(path).get("benchmark")
    if not isinstance(benchmark, Mapping) or "type" not in (benchmark.get("dataset") or {}):
        raise InputError(f"'{path}' has no benchmark = dict(protocol=..., dataset=dict(type=...))")
    return path, benchmark
