"""The plans of both Fishyscapes sets, whose downloads hold no images."""

from __future__ import annotations

import json
from pathlib import Path

from mmosr.datasets.fishyscapes import (
    VERSION_FILE,
    FishyscapesLostAndFoundDataset,
    FishyscapesStaticDataset,
)
from mmosr.utils import InputError

from .plan import Output, Plan
from .request import Request

_LABEL = "_labels.png"


def plan_lost_and_found(request: Request) -> Plan:
    """Images of Lost and Found and labels of Fishyscapes under equal names."""
    dataset = FishyscapesLostAndFoundDataset(
        request.source, lost_and_found=request.images, layout="official", lazy_init=True
    )
    outputs = []
    for image, label in sorted(dataset.find_pairs(), key=lambda pair: pair[1]):
        image, label = Path(image), Path(label)
        name = label.name[: -len(_LABEL)]
        outputs += [
            Output(f"original/{name}{image.suffix.lower()}", (image,)),
            Output(f"labels/{name}.png", (label,)),
        ]
    return Plan("fishyscapes_lost_and_found", request.source, tuple(outputs), copy=request.copy)


def plan_static(request: Request) -> Plan:
    """Labels and overlays of Fishyscapes, and the images of Cityscapes that belong to them."""
    version = dict(version=request.version)
    dataset = FishyscapesStaticDataset(
        request.source, cityscapes=request.images, layout="official", lazy_init=True, **version
    )
    labels = dataset.labels_of("official")
    if not labels:
        raise InputError(
            f"fishyscapes_static: folder {request.source} holds no NNNN_ID_labels.png with "
            "NNNN_ID_rgb.npz: give the folder that fs_val_v1.zip, fs_val_v2.zip or fs_val_v3.zip "
            "was unpacked in; see docs/data.md"
        )
    outputs = []
    for image, label in sorted(dataset.pair(labels), key=lambda pair: pair[1]):
        name = Path(label).name
        outputs += [
            Output(f"leftImg8bit/{Path(image).name}", (Path(image),)),
            Output(f"{name[: -len(_LABEL)]}_rgb.npz", (dataset.overlay_of(label),)),
            Output(name, (Path(label),)),
        ]
    content = json.dumps(version) + "\n"
    how = f"version {request.version}"
    outputs.append(Output(VERSION_FILE, (), how, lambda path: path.write_text(content)))
    return Plan(
        "fishyscapes_static",
        request.source,
        tuple(outputs),
        options=version,
        dataset=version,
        copy=request.copy,
    )
