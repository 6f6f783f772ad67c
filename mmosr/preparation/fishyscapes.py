"""The plans of both Fishyscapes sets, whose downloads hold no images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from mmosr.datasets.anomaly_dataset import find_images, some
from mmosr.datasets.anomaly_dataset import find_labels as find_files
from mmosr.datasets.fishyscapes import STATIC_VERSIONS, VERSION_FILE, FishyscapesLostAndFoundDataset
from mmosr.utils import InputError

from .convert import add_overlay
from .pairs import require_all
from .plan import Output, Plan
from .request import Request

_CITYSCAPES = "_leftImg8bit"
# "0003_frankfurt_000000_000294_labels.png": the number names the overlay, the rest the image.
_LABEL = re.compile(r"(?P<number>\d+)_(?P<id>.+)_labels\.png", re.IGNORECASE)


def plan_lost_and_found(request: Request) -> Plan:
    """Images of Lost and Found and labels of Fishyscapes under equal names."""
    dataset = FishyscapesLostAndFoundDataset(
        request.source, lost_and_found=request.images, layout="official", lazy_init=True
    )
    outputs = []
    for image, label in sorted(dataset.find_pairs(), key=lambda pair: pair[1]):
        outputs += _pair(Path(label), Path(image))
    return Plan("fishyscapes_lost_and_found", request.source, tuple(outputs), copy=request.copy)


def plan_static(request: Request) -> Plan:
    """Cityscapes images with the overlays added, and the labels under equal names."""
    if request.version not in STATIC_VERSIONS:
        raise InputError(f"fishyscapes_static has no version {request.version}: choose 1, 2 or 3")
    labels = [path for path in find_files(request.source, ".png").values() if _match(path)]
    overlays = sorted(find_files(request.source, "rgb.npz").values())
    images = _cityscapes_images(request.images)
    if not labels:
        raise InputError(
            f"fishyscapes_static: folder {request.source} holds no NNNN_ID_labels.png: give the "
            "folder that fs_val_v1.zip, fs_val_v2.zip or fs_val_v3.zip was unpacked in; "
            "see docs/data.md"
        )
    outputs, missing = [], []
    for label in labels:
        match = _match(label)
        of_label = [path for path in overlays if path.name.startswith(f"{match['number']}_")]
        if len(of_label) > 1:
            names = " and ".join(str(path) for path in of_label)
            raise InputError(f"fishyscapes_static: {label} has two overlays, {names}: keep one")
        image = images.get(match["id"])
        if not of_label:
            missing.append(label.with_name(f"{match['number']}_{match['id']}_rgb.npz"))
        if image is None:
            missing.append(f"{request.images}/leftImg8bit/*/*/{match['id']}{_CITYSCAPES}.png")
        if of_label and image is not None:
            outputs += _pair(label, image, of_label[0])
    require_all("fishyscapes_static", missing, 3 * len(labels))
    version = dict(version=request.version)
    outputs.append(
        Output(VERSION_FILE, (), f"version {request.version}", lambda path: _write(path, version))
    )
    return Plan(
        "fishyscapes_static",
        request.source,
        tuple(outputs),
        options=version,
        dataset=version,
        copy=request.copy,
    )


def _pair(label: Path, image: Path, overlay: Path | None = None) -> list[Output]:
    name = label.name[: -len("_labels.png")]
    if overlay is None:
        picture = Output(f"original/{name}{image.suffix.lower()}", (image,))
    else:
        make = add_overlay(overlay, image)
        picture = Output(f"original/{name}.png", (overlay, image), "image plus overlay", make)
    return [picture, Output(f"labels/{name}.png", (label,))]


def _match(label: Path) -> re.Match | None:
    return _LABEL.fullmatch(label.name)


def _cityscapes_images(root: Path) -> dict[str, Path]:
    """Images of Cityscapes, of every split that is there, by their id."""
    folder = root / "leftImg8bit" if (root / "leftImg8bit").is_dir() else root
    images: dict[str, Path] = {}
    for key, paths in find_images(folder, _CITYSCAPES).items():
        name = key.rpartition("/")[2]
        if name in images or len(paths) > 1:
            clash = some([str(path) for path in (images.get(name), *paths) if path])
            raise InputError(f"fishyscapes_static: one image lies at {clash}: keep one")
        images[name] = paths[0]
    return images


def _write(path: Path, content: Mapping) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
