"""The two public validation sets of Fishyscapes (Blum et al., 2021)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmosr.registry import DATASETS
from mmosr.utils import InputError

from .anomaly_dataset import REPACKED, AnomalySegDataset, Layout, find_images

VERSION_FILE = "VERSION.json"
STATIC_VERSIONS = (1, 2, 3)
# "0003_04_Maurener_Weg_8_000000_000030_labels.png": a number and an id of Lost and Found.
_OFFICIAL = re.compile(r"\d{4}_(.+)_labels\.png", re.IGNORECASE)


@DATASETS.register_module()
class FishyscapesLostAndFoundDataset(AnomalySegDataset):
    """Fishyscapes Lost & Found, validation: 100 images of 1024 x 2048; 0 / 1 / 255.

    Layouts:

    * ``"official"``: the download holds only labels, ``NNNN_ID_labels.png``, anywhere below the
      root. The images ``ID_leftImg8bit.png`` come from Lost and Found, from its train and its test
      split.
    * ``"original+labels"``, ``"images+labels"``, ``"images+labels_masks"``: re-packed trees whose
      images and labels have the same names.
    * ``"cityscapes"``: ``leftImg8bit/**/X_leftImg8bit.png`` and
      ``gtFine/**/X_gtFine_labelTrainIds.png``.

    Args:
        data_root: Folder of the labels or of a re-packed tree.
        lost_and_found: Folder of Lost and Found, which holds ``leftImg8bit``, or a folder of its
            images. Default: ``data_root`` if it holds ``leftImg8bit``, otherwise
            ``lost_and_found`` beside it.
        **kwargs: As ``AnomalySegDataset``.

    Raises:
        InputError: As ``AnomalySegDataset``; or two labels of the same image.
    """

    layouts = {
        "official": Layout("", "", "_leftImg8bit", "_labels.png"),
        **REPACKED,
        "cityscapes": Layout("leftImg8bit", "gtFine", "_leftImg8bit", "_gtFine_labelTrainIds.png"),
    }

    def __init__(
        self,
        data_root: str | os.PathLike,
        *,
        lost_and_found: str | os.PathLike | None = None,
        **kwargs,
    ) -> None:
        self.lost_and_found = lost_and_found
        super().__init__(data_root, **kwargs)

    def labels_of(self, name: str) -> dict[str, Path]:
        labels = super().labels_of(name)
        if name != "official":
            return labels
        ids: dict[str, Path] = {}
        for path in labels.values():
            match = _OFFICIAL.fullmatch(path.name)
            if match and match[1] in ids:
                raise self.error(f"{ids[match[1]]} and {path} label the same image: keep one")
            if match:
                ids[match[1]] = path
        return ids

    def pair(self, labels: Mapping[str, Path]) -> list[tuple[str, str]]:
        if self.layout != "official":
            return super().pair(labels)
        folder = self._image_folder()
        if not folder.is_dir():
            raise self.error(
                f"the images of Lost and Found are missing: '{folder}' does not exist: set "
                "lost_and_found to the folder that holds its leftImg8bit"
            )
        images: dict[str, list[Path]] = {}  # by id alone: the labels do not tell split and scene
        for key, paths in find_images(folder, "_leftImg8bit").items():
            images.setdefault(key.rpartition("/")[2], []).extend(paths)
        mend = "add the images of Lost and Found, of both the train and the test split"
        return self.match(labels, images, folder / "*" / "*", mend)

    def _image_folder(self) -> Path:
        if self.lost_and_found is None:
            inside = (self.root / "leftImg8bit").is_dir()
            base = self.root if inside else self.root.parent / "lost_and_found"
            return base / "leftImg8bit"
        base = Path(self.lost_and_found).expanduser()
        return base / "leftImg8bit" if (base / "leftImg8bit").is_dir() else base


@DATASETS.register_module()
class FishyscapesStaticDataset(AnomalySegDataset):
    """Fishyscapes Static, validation: 30 Cityscapes images with pasted objects; 0 / 1 / 255.

    The download holds overlays that still have to be added to the Cityscapes images:
    ``tools/dataset_converters/prepare.py`` does that and writes ``VERSION.json``. Layouts: images
    and labels of the same names in ``original`` and ``labels`` (or ``images`` and ``labels``,
    ``images`` and ``labels_masks``), or side by side as ``X_rgb.png`` and ``X_labels.png``
    (``"beside"``).

    Only the label files say what is unknown: version 3 pastes known objects too.

    Args:
        data_root: Folder of the composed images.
        version: 1 (first), 2 (better blending) or 3 (known objects pasted as negatives). Figures of
            different versions cannot be compared, so there is no default.
        **kwargs: As ``AnomalySegDataset``.

    Raises:
        InputError: Another version is on disk, or none is stated, or the overlays are not yet
            added; and as ``AnomalySegDataset``.
    """

    layouts = {**REPACKED, "beside": Layout("", "", "_rgb", "_labels.png")}

    def __init__(self, data_root: str | os.PathLike, *, version: int, **kwargs) -> None:
        if version not in STATIC_VERSIONS:
            raise InputError(f"FishyscapesStaticDataset: version={version}: choose 1, 2 or 3")
        self.version = version
        super().__init__(data_root, **kwargs)

    def find_layout(self) -> dict[str, Path]:
        self._check_version()
        return super().find_layout()

    def _check_version(self) -> None:
        path = self.root / VERSION_FILE
        command = (
            "python tools/dataset_converters/prepare.py fishyscapes_static SRC DST "
            f"--version {self.version}"
        )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if next(self.root.rglob("*_rgb.npz"), None) is not None:
                raise self.error(
                    f"folder '{self.root}' holds overlays, not images: run {command}"
                ) from None
            raise self.error(
                f"{path} is missing, so the version of the data is not known: run {command}, or "
                f'write {{"version": V}} there for a tree that somebody else re-packed'
            ) from None
        except ValueError as error:
            raise self.error(f"{path} cannot be read as JSON ({error}): run {command}") from None
        found = content.get("version") if isinstance(content, dict) else None
        if found != self.version:
            raise self.error(
                f"{path} states version {found}, but version {self.version} is asked for: set "
                f"version, or run {command}"
            )


def compose_static(image: np.ndarray, overlay: np.ndarray) -> np.ndarray:
    """Add an overlay of Fishyscapes Static to its Cityscapes image, as BDL-Benchmark does.

    Args:
        image: Cityscapes image ``(H, W, 3)``, uint8, RGB.
        overlay: Array ``rgb`` of the npz file ``(H, W, 3)``: signed differences, -255 .. 255, RGB.

    Returns:
        The image with the objects ``(H, W, 3)``, uint8; sums are clipped to 0 .. 255.

    Raises:
        InputError: The shapes differ or are not those of colour images, or a type is wrong.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(
            f"compose_static: the image is {image.dtype} {image.shape}: expected uint8 (H, W, 3)"
        )
    if overlay.shape != image.shape or not np.issubdtype(overlay.dtype, np.number):
        raise InputError(
            f"compose_static: the overlay is {overlay.dtype} {overlay.shape}, the image "
            f"{image.shape}: expected the overlay of the same Cityscapes image"
        )
    return np.clip(image.astype(np.int32) + overlay.astype(np.int32), 0, 255).astype(np.uint8)
