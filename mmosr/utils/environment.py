"""Checks the installed packages when mmosr is imported.

It reads the metadata of the installed distributions without importing them, so it takes a few
milliseconds and works even if a package is broken.
"""

import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

# Importable packages, and the lowest accepted version of each distribution that carries them; the
# first is suggested if none is installed. The OpenMMLab packages come in two families with the same
# import names: the maintained successors (onedl-*) and the originals.
PACKAGES = {
    "torch": {"torch": "2.1"},
    "torchvision": {"torchvision": "0.16"},
    "numpy": {"numpy": "1.24"},
    "cv2": {
        "opencv-python": "4.5",
        "opencv-python-headless": "4.5",
        "opencv-contrib-python": "4.5",
        "opencv-contrib-python-headless": "4.5",
    },
    "sklearn": {"scikit-learn": "1.2"},
    "matplotlib": {"matplotlib": "3.6"},
    "safetensors": {"safetensors": "0.4"},
    "psutil": {"psutil": "5.9"},
    "mmengine": {"onedl-mmengine": "0.10.10", "mmengine": "0.10.4"},
    "mmcv": {"onedl-mmcv": "2.3.0", "mmcv": "2.0.0", "mmcv-lite": "2.0.0"},
    "mmseg": {"onedl-mmsegmentation": "1.4.0", "mmsegmentation": "1.2.0"},
    "mmpretrain": {"onedl-mmpretrain": "1.3.0", "mmpretrain": "1.2.0"},
    # mmseg imports these two but the original distribution does not require them.
    "ftfy": {"ftfy": "6.0"},
    "regex": {"regex": "2022.1"},
}


def problem(module: str, minimum: dict[str, str]) -> tuple[str, str] | None:
    """What is wrong with a package, and the requirement for pip that fixes it; None if nothing."""
    for name, lowest in minimum.items():
        found = installed_version(name)
        if found is None:
            continue
        if release(found) < release(lowest):
            return f"{name} {found} is too old", f"'{name}>={lowest}'"
        return None
    # A source checkout on PYTHONPATH has no metadata, so its version is unknown.
    if find_spec(module) is not None:
        return None
    name, lowest = next(iter(minimum.items()))
    return f"{module} is missing", f"'{name}>={lowest}'"


def release(text: str) -> tuple[int, ...]:
    """Leading numbers of a version: ``'2.15.0+cu130'`` gives ``(2, 15, 0)``."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _conflict() -> tuple[str, str] | None:
    """Pairs of packages that are fine separately but not together."""
    if installed_version("mmsegmentation"):
        mmcv = installed_version("mmcv") or ""
        if release(mmcv) >= (2, 2):
            return f"mmsegmentation does not work with mmcv {mmcv}", "'mmcv<2.2'"
        if installed_version("mmcv-lite") and not mmcv:
            what = "mmsegmentation imports compiled operators, which mmcv-lite lacks"
            return what, "'mmcv>=2.0,<2.2'"
    torch, numpy = installed_version("torch") or "", installed_version("numpy") or ""
    if (0,) < release(torch) < (2, 3) and release(numpy) >= (2,):
        return f"torch {torch} does not work with numpy {numpy}", "'numpy<2'"
    return None


def check_environment() -> None:
    """Check that every package mmosr needs is installed and new enough.

    Raises:
        ImportError: One line that names everything missing or too old and the command that fixes
            it.
    """
    problems = [found for package in PACKAGES.items() if (found := problem(*package))]
    if not problems and (conflict := _conflict()):
        problems = [conflict]
    if problems:
        what = ", ".join(text for text, _ in problems)
        command = " ".join(["pip install", *(requirement for _, requirement in problems)])
        raise ImportError(f"mmosr cannot run here: {what}. To fix it: {command}")
