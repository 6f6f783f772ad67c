"""The plans of both Fishyscapes sets; their downloads have no images."""

from __future__ import annotations

import json
from pathlib import Path

from mmosr.datasets.fishyscapes import (
    VERSION_FILE,
    FishyscapesLostAndFoundDataset,
    FishyscapesStaticDataset,
)
from mmosr.utils import InputError

from .plan import Output, Plan, Request

_LABEL = "_labels.png"


def plan_lost_and_found(name: str, request: Request) -> Plan:
    """Images of Lost and Found and labels of Fishyscapes under the same names."""
    dataset = FishyscapesLostAndFoundDataset(
        request.source, lost_and_found=request.images, layout="official", lazy_init=True
    )
    outputs = []
    for image, label in sorted(dataset.find_pairs(), key=lambda pair: pair[1]):
        image, label = Path(image), Path(label)
        stem = label.name[: -len(_LABEL)]
        outputs += [
            Output(f"original/{stem}{image.suffix.lower()}", (image,)),
            Output(f"labels/{stem}.png", (label,)),
        ]
    return Plan.of(name, request, outputs)


def plan_static(name: str, request: Request) -> Plan:
    """Labels and overlays of Fishyscapes, and the images of Cityscapes that belong to them."""
    version = dict(version=request.version)
    dataset = FishyscapesStaticDataset(
        request.source, cityscapes=request.images, layout="official", lazy_init=True, **version
    )
    labels = dataset.labels_of("official")
    if not labels:
        raise InputError(
            f"{name}: folder {request.source} holds no NNNN_ID_labels.png with "
            "NNNN_ID_rgb.npz: give the folder that fs_val_v1.zip, fs_val_v2.zip or fs_val_v3.zip "
            "was unpacked in; see docs/data.md"
        )
    outputs = []
    for image, label in sorted(dataset.pair(labels), key=lambda pair: pair[1]):
        image, label = Path(image), Path(label)
        outputs += [
            Output(f"leftImg8bit/{image.name}", (image,)),
            Output(f"{label.name[: -len(_LABEL)]}_rgb.npz", (dataset.overlay_of(label),)),
            Output(label.name, (label,)),
        ]
    content = json.dumps(version) + "\n"
    how = f"version {request.version}"
    outputs.append(Output(VERSION_FILE, (), how, lambda path: path.write_text(content)))
    return Plan.of(name, request, outputs, options=version, dataset=version)
