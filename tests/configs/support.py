"""What the tests of the shipped configs share."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmseg.registry import MODELS
from torch import nn

from mmosr.config.loading import load_config
from mmosr.scores.entries import ScoreEntry, entry_configs

ROOT = Path(__file__).parents[2] / "configs"
LEAVES = sorted(path.name for path in ROOT.glob("*.py"))
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
IMAGE_NETWORKS = ("osrcinet", "wrn16-4", "vgg13", *RESNETS, "swin-s", "swin-b")
# They have their own tests, in test_image_configs.py and tests/classification.
IMAGE_CONFIGS = [name for name in LEAVES if name.split("_")[1] in IMAGE_NETWORKS]
CONFIGS = [name for name in LEAVES if name not in IMAGE_CONFIGS]
METHODS = ("softmax", "lgmm", "cac", "movr")
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
FILLERS = ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "trunc_normal_")


def build(name, scope="mmseg"):
    """A config and its model with large weights left uninitialised, to save time."""
    init_default_scope(scope)
    cfg = Config.fromfile(ROOT / name) if scope == "mmseg" else load_config(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        for filler in FILLERS:
            patch.setattr(nn.init, filler, lambda tensor, *args, **kwargs: tensor)
        return cfg, MODELS.build(cfg.model)


def leaves(node, path=""):
    """All values of a nested config by their dotted path."""
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)) and any(isinstance(item, dict) for item in node):
        items = enumerate(node)
    else:
        return {path: node}
    values = {}
    for key, value in items:
        values.update(leaves(value, f"{path}.{key}" if path else str(key)))
    return values


def score_names(cfg):
    """Names of a config's scores."""
    return tuple(ScoreEntry.of(config).name for config in entry_configs(cfg.model.score))


def dataset(cfg, loader):
    """The data set of a loader without its files."""
    return DATASETS.build(dict(cfg[loader].dataset, lazy_init=True))
