"""Files outside the modules: the configs and tools, in a checkout and in an installed package."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# setup.py copies them to where OpenMMLab's mim looks. In a checkout these are at most links.
_COPIES = _PACKAGE / ".mim"
SCHEME = "mmosr::"


def resource(*parts: str) -> Path:
    """The path of a file or folder of ``configs/`` or ``tools/``.

    Args:
        *parts: Such as ``"configs", "_base_", "benchmarks"``.
    """
    copy = _COPIES / "configs"
    installed = copy.is_dir() and not copy.is_symlink()
    return (_COPIES if installed else _PACKAGE.parent).joinpath(*parts)


def find_config(name: str | os.PathLike) -> Path:
    """The file of a config.

    Args:
        name: A path; where there is no such file, a config of the package: ``mmosr::NAME``,
            ``configs/NAME`` or ``NAME``, with or without ``.py``.

    Returns:
        The file, or the path as it was given where there is none.
    """
    path = Path(name)
    if path.is_file() or path.is_absolute():
        return path
    own = resource("configs", path.as_posix().removeprefix(SCHEME).removeprefix("configs/"))
    return next((file for file in (own, Path(f"{own}.py")) if file.is_file()), path)
