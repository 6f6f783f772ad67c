"""Which images an input argument means, and how their outputs are named."""

import glob
import os
from pathlib import Path

from mmosr.utils import InputError
from mmosr.visualization import ImageItem, common_folder, name_images

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_images(argument: str | os.PathLike, out_dir: str | os.PathLike) -> list[ImageItem]:
    """List the images of an input argument.

    Args:
        argument: An image, a folder (searched with its sub-folders), a glob pattern, or a ``.txt``
            list with one path per line, relative to the list's folder.
        out_dir: Folder of outputs. If it is inside the input folder its files are not input.

    Returns:
        The images, sorted by path; those of a list in its order, each once.

    Raises:
        InputError: The input does not exist or has no images, or the output folder is the input
            folder.
    """
    text = os.fspath(argument)
    path = Path(os.path.abspath(text))
    if path.is_dir():
        return _from_folder(path, Path(os.path.abspath(out_dir)))
    if path.is_file():
        if path.suffix.lower() == ".txt":
            return _from_list(path)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(
                f"input '{text}' is neither an image ({' '.join(IMAGE_SUFFIXES)}), a folder, "
                "a glob pattern nor a .txt list"
            )
        return name_images([path], path.parent)
    if glob.has_magic(text):
        return _from_glob(text, Path(os.path.abspath(out_dir)))
    raise InputError(f"input '{text}' does not exist")


def _from_folder(root: Path, out_dir: Path) -> list[ImageItem]:
    if root == out_dir:
        raise InputError(f"the output folder '{root}' is the input folder; choose another one")
    return name_images(_images(root.rglob("*"), root, out_dir, f"folder '{root}'"), root)


def _from_glob(pattern: str, out_dir: Path) -> list[ImageItem]:
    matches = [Path(os.path.abspath(match)) for match in glob.glob(pattern, recursive=True)]
    fixed = Path(os.path.abspath(pattern))
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    sources = _images(matches, fixed, out_dir, f"glob pattern '{pattern}'")
    return name_images(sources, fixed)


def _images(paths, root: Path, out_dir: Path, what: str) -> list[Path]:
    skip_outputs = out_dir.is_relative_to(root) and out_dir != root
    found = sorted(
        path
        for path in set(paths)
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and not (skip_outputs and path.is_relative_to(out_dir))
        and path.is_file()
    )
    if not found:
        raise InputError(f"{what} has no images ({' '.join(IMAGE_SUFFIXES)})")
    return found


def _from_list(path: Path) -> list[ImageItem]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"list '{path}' is not UTF-8 text: {error.reason}") from error
    sources: dict[Path, None] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        source = Path(os.path.abspath(path.parent / line.strip()))
        if not source.is_file():
            raise InputError(f"list '{path}', line {number}: image '{source}' does not exist")
        sources[source] = None
    if not sources:
        raise InputError(f"list '{path}' names no images")
    images = list(sources)
    inside = all(source.is_relative_to(path.parent) for source in images)
    return name_images(images, path.parent if inside else common_folder(images))
