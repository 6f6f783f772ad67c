"""Files outside the modules: the configs and tools, in a checkout and in an installed package."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# setup.py copies them to where OpenMMLab's mim looks. In a checkout they are links, if any.
_COPIES = _PACKAGE / ".mim"
SCHEME = "mmosr::"


def resource(*parts: str) -> Path:
    """The path of a file or folder of ``configs/`` or ``tools/``.

    Args:
        *parts: Parts of the path, such as ``"configs", "_base_", "benchmarks"``.
    """
    copy = _COPIES / "configs"
    installed = copy.is_dir() and not copy.is_symlink()
    return (_COPIES if installed else _PACKAGE.parent).joinpath(*parts)


def find_config(name: str | os.PathLike) -> Path:
    """The file of a config.

    Args:
        name: A path; if the file does not exist, a config of the package: ``mmosr::NAME``,
            ``configs/NAME`` or ``NAME``, with or without ``.py``.

    Returns:
        The file, or the path as given if there is none.
    """
    path = Path(name)
    if path.is_file() or path.is_absolute():
        return path
    own = resource("configs", path.as_posix().removeprefix(SCHEME).removeprefix("configs/"))
    return next((file for file in (own, Path(f"{own}.py")) if file.is_file()), path)
