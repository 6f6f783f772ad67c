"""Images, a tiny model and its config, what the tool measures on them, and the tool itself."""

import csv
import json

import cv2
import numpy as np
import torch
from mmengine.registry import init_default_scope

from mmosr.config.loading import load_config
from mmosr.registry import MODELS
from tests.classification import toy  # noqa: F401 (registers the backbone of the config)

TOOL = "analysis_tools/representation"
NAMES = ["ant", "bee", "cow", "dog", "eel"]  # three known, two unknown
OPTIONS = ("--max-images", 24, "--interpolations", 3, "--steps", 4, "--batch-size", 5)
CONFIG = """
default_scope = "mmpretrain"
model = dict(
    type="mmosr.OpenSetImageClassifier",
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0, 50.0, 40.0], to_rgb=True),
    backbone=dict(type="mmosr.TestImageBackbone"),
    head=dict(type="mmosr.MOvRClsHead", in_channels=8, num_classes=3))
steps = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
data = dict(
    type="mmosr.OpenSetClassificationDataset", data_root="{root}",
    known_classes=["ant", "bee", "dog"], unknown_classes=["cow", "eel"], pipeline=steps)
train_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(role="train", data_prefix="train", **data))
test_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", data_prefix="test", **data))
"""


def write_case(root):
    """Config, checkpoint and class folders of 8 x 8 images, coloured by class."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label, name in enumerate(NAMES):
            path = root / split / name
            path.mkdir(parents=True)
            for index in range(7):
                image = rng.integers(0, 100, (8, 8, 3)) + [30 * label, 150 - 30 * label, 60]
                cv2.imwrite(str(path / f"{index}.png"), image.astype(np.uint8))
    (root / "movr.py").write_text(CONFIG.replace("{root}", str(root)))
    torch.save({"state_dict": make(root).state_dict(), "meta": {}}, root / "movr.pth")
    return root


def make(root):
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    model = MODELS.build(load_config(root / "movr.py").model).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def inputs(model, names):
    images = [torch.from_numpy(cv2.imread(name)).permute(2, 0, 1) for name in names]
    return model.data_preprocessor({"inputs": images}, False)["inputs"]


def unit_features(model, batch):
    maps = model.backbone.conv(batch).tanh()
    features = maps[..., : batch.shape[3] // 2].mean((2, 3))
    return features / features.norm(dim=1, keepdim=True)


def jacobian_norms(model, batch):
    found = [
        torch.autograd.functional.jacobian(lambda x: unit_features(model, x), image[None]).norm()
        for image in batch
    ]
    return torch.stack(found).numpy()


def arguments(folder, out, *more):
    return (TOOL, folder / "movr.py", folder / "movr.pth", "--out-dir", out, *OPTIONS, *more)


def run(call, folder, out, *more):
    status, err = call(*arguments(folder, out, *more))
    assert status == 0, err
    return json.loads((out / "representation.json").read_text())


def value(record, name):
    return record["figures"][name]["value"]
