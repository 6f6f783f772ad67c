"""The two public validation sets of Fishyscapes (Blum et al., 2021)."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmosr.registry import DATASETS, TRANSFORMS
from mmosr.runs.files import DAMAGED_NPZ
from mmosr.utils import InputError, check_choice

from .anomaly_dataset import REPACKED, AnomalySegDataset, Layout, find_images, find_labels

VERSION_FILE = "VERSION.json"
STATIC_VERSIONS = (1, 2, 3)
# "0003_04_Maurener_Weg_8_000000_000030_labels.png": a number and the id of the image.
_OFFICIAL = re.compile(r"\d{4}_(.+)_labels\.png", re.IGNORECASE)


class _Fishyscapes(AnomalySegDataset):
    """Layout of both downloads: only labels, for images of another data set.

    This is the layout ``"official"``: ``NNNN_ID_labels.png`` anywhere below the root, and the
    images ``ID_leftImg8bit.png`` anywhere below ``leftImg8bit``, of every split.
    """

    official = Layout("", "", "_leftImg8bit", "_labels.png")
    #: Name of the other data set, and of the argument and the default folder of its images.
    images_of: tuple[str, str]

    def __init__(
        self, data_root: str | os.PathLike, images: str | os.PathLike | None, **kwargs
    ) -> None:
        self._images = images
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
        folder, (owner, argument) = self._image_folder(), self.images_of
        if not folder.is_dir():
            raise self.error(
                f"the images of {owner} are missing: '{folder}' does not exist: set {argument} to "
                "the folder that holds its leftImg8bit"
            )
        images: dict[str, list[Path]] = {}  # by id alone: the labels do not name split and scene
        for key, paths in find_images(folder, "_leftImg8bit").items():
            images.setdefault(key.rpartition("/")[2], []).extend(paths)
        return self.match(
            labels, images, folder / "*" / "*", f"add the images of all splits of {owner}"
        )

    def _image_folder(self) -> Path:
        if self._images is None:
            inside = (self.root / "leftImg8bit").is_dir()
            base = self.root if inside else self.root.parent / self.images_of[1]
            return base / "leftImg8bit"
        base = Path(self._images).expanduser()
        return base / "leftImg8bit" if (base / "leftImg8bit").is_dir() else base


@DATASETS.register_module()
class FishyscapesLostAndFoundDataset(_Fishyscapes):
    """Fishyscapes Lost & Found, validation: 100 images of 1024 x 2048; 0 / 1 / 255.

    Layouts:

    * ``"official"``: the download has only labels, ``NNNN_ID_labels.png``, anywhere below the
      root. The images ``ID_leftImg8bit.png`` come from the train and test splits of Lost and Found.
    * ``"original+labels"``, ``"images+labels"``, ``"images+labels_masks"``: re-packed trees with
      the same names for images and labels.
    * ``"cityscapes"``: ``leftImg8bit/**/X_leftImg8bit.png`` and
      ``gtFine/**/X_gtFine_labelTrainIds.png``.

    Args:
        data_root: Folder of the labels or of a re-packed tree.
        lost_and_found: Folder of Lost and Found, which contains ``leftImg8bit``, or a folder of its
            images. Default: ``data_root`` if it contains ``leftImg8bit``, otherwise
            ``lost_and_found`` next to it.
        **kwargs: See ``AnomalySegDataset``.

    Raises:
        InputError: See ``AnomalySegDataset``; or two labels belong to the same image.
    """

    layouts = {
        "official": _Fishyscapes.official,
        **REPACKED,
        "cityscapes": Layout("leftImg8bit", "gtFine", "_leftImg8bit", "_gtFine_labelTrainIds.png"),
    }
    images_of = ("Lost and Found", "lost_and_found")

    def __init__(
        self,
        data_root: str | os.PathLike,
        *,
        lost_and_found: str | os.PathLike | None = None,
        **kwargs,
    ) -> None:
        super().__init__(data_root, lost_and_found, **kwargs)


@DATASETS.register_module()
class FishyscapesStaticDataset(_Fishyscapes):
    """Fishyscapes Static, validation: 30 Cityscapes images with pasted objects; 0 / 1 / 255.

    Layouts, each with a file ``VERSION.json``:

    * ``"official"``: ``NNNN_ID_labels.png`` and ``NNNN_*rgb.npz``, to be added to the Cityscapes
      image ``ID_leftImg8bit.png``. Each item has an ``overlay_path``, and
      :class:`AddFishyscapesOverlay` follows the first step of the pipeline.
    * Images with their objects, and labels with the same names: in ``original`` and ``labels`` (or
      ``images`` and ``labels``, ``images`` and ``labels_masks``), or side by side as ``X_rgb.png``
      and ``X_labels.png`` (``"beside"``).

    Only the label files show what is unknown: version 3 pastes known objects too.

    Args:
        data_root: Folder of the data; ``tools/dataset_converters/prepare.py`` creates one.
        version: 1 (first), 2 (better blending) or 3 (known objects pasted as negatives). Figures of
            different versions cannot be compared, so there is no default.
        cityscapes: Folder of Cityscapes, which contains ``leftImg8bit``. Default: ``data_root`` if
            it contains ``leftImg8bit``, otherwise ``cityscapes`` next to it.
        pipeline: Its first step loads the image.
        **kwargs: See ``AnomalySegDataset``.

    Raises:
        InputError: Another version is on disk, or none is stated, or a label has no overlay or
            several; and see ``AnomalySegDataset``.
    """

    layouts = {
        "official": _Fishyscapes.official,
        **REPACKED,
        "beside": Layout("", "", "_rgb", "_labels.png"),
    }
    images_of = ("Cityscapes", "cityscapes")

    def __init__(
        self,
        data_root: str | os.PathLike,
        *,
        version: int,
        cityscapes: str | os.PathLike | None = None,
        pipeline: Sequence[dict | Callable] = (),
        **kwargs,
    ) -> None:
        check_choice("FishyscapesStaticDataset", "version", version, STATIC_VERSIONS)
        self.version = version
        super().__init__(data_root, cityscapes, pipeline=with_overlays(pipeline), **kwargs)

    def load_data_list(self) -> list[dict]:
        items = super().load_data_list()
        if self.layout == "official":
            for item in items:
                item["overlay_path"] = str(self.overlay_of(item["seg_map_path"]))
        return items

    def overlay_of(self, label: str | os.PathLike) -> Path:
        """The overlay whose name begins with the number of a label file.

        Raises:
            InputError: There is none, or there are several.
        """
        name = Path(label).name
        found = [path for path in self._overlays if path.name[:5] == name[:5]]
        if len(found) != 1:
            expected, names = f"{name[:-10]}rgb.npz", " and ".join(map(str, found)) or "none"
            raise self.error(f"{label} needs one overlay {expected}, found {names}")
        return found[0]

    @functools.cached_property
    def _overlays(self) -> list[Path]:
        return sorted(find_labels(self.root, "rgb.npz").values())

    def labels_of(self, name: str) -> dict[str, Path]:
        if name in REPACKED:
            return super().labels_of(name)
        # In both other layouts the labels lie side by side with something. Composed images come
        # first: the overlays that they were made of may lie there too.
        composed = self.layout == "beside" or not self.layout and find_images(self.root, "_rgb")
        found = "official" if self._overlays and not composed else "beside"
        return super().labels_of(name) if name == found else {}

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
            raise self.error(
                f"{path} is missing, so the version of the data is not known: run {command}, or "
                f'write {{"version": V}} there for a download or a re-packed tree'
            ) from None
        except ValueError as error:
            raise self.error(f"{path} cannot be read as JSON ({error}): run {command}") from None
        found = content.get("version") if isinstance(content, dict) else None
        if found != self.version:
            raise self.error(
                f"{path} states version {found}, but version {self.version} is requested: set "
                f"version, or run {command}"
            )


def with_overlays(pipeline: Sequence[dict | Callable]) -> list[dict | Callable]:
    """The steps of a pipeline with :class:`AddFishyscapesOverlay` after the first, which loads."""
    step = dict(type="mmosr.AddFishyscapesOverlay")
    return [pipeline[0], step, *pipeline[1:]] if pipeline else []


@TRANSFORMS.register_module()
class AddFishyscapesOverlay(BaseTransform):
    """Add the objects of Fishyscapes Static to the Cityscapes image that was just loaded.

    It takes ``overlay_path`` out of the item: twice in a pipeline, it adds the objects once. Items
    without it stay as they are.

    Raises:
        InputError: No image is loaded, the overlay cannot be read, or the two do not match.
    """

    def transform(self, results: dict) -> dict:
        if "overlay_path" in results:
            path, image = results.pop("overlay_path"), results.get("img")
            if image is None:
                raise InputError(f"overlay {path}: the first step of the pipeline loads no image")
            # A float32 image has the byte values of the file, and is BGR like any other.
            composed = add_overlay(image.astype(np.uint8)[..., ::-1], path)[..., ::-1]
            results["img"] = np.ascontiguousarray(composed, image.dtype)
        return results


def add_overlay(image: np.ndarray, path: str | os.PathLike) -> np.ndarray:
    """Like :func:`compose_static`, with the overlay of an npz file.

    Raises:
        InputError: The file cannot be read, or the two do not match.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return compose_static(image, arrays["rgb"])
    except InputError as error:
        raise InputError(f"overlay {path}: {error}") from error
    except DAMAGED_NPZ as error:
        raise InputError(
            f"overlay {path} cannot be read ({error}): unpack the download again"
        ) from error


def compose_static(image: np.ndarray, overlay: np.ndarray) -> np.ndarray:
    """Add an overlay of Fishyscapes Static to its Cityscapes image, as BDL-Benchmark does.

    Args:
        image: Cityscapes image ``(H, W, 3)``, uint8, RGB.
        overlay: Array ``rgb`` of the npz file ``(H, W, 3)``: signed differences, -255 .. 255, RGB.

    Returns:
        The image with the objects, ``(H, W, 3)``, uint8; sums are clipped to 0 .. 255.

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
