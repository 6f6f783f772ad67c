"""The image configs train every parameter, on images augmented as in the papers."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmosr.config.loading import load_config

from .image_tables import NAMES, parts
from .support import ROOT

ONE_OF_EACH = {parts(name)[:2]: name for name in NAMES if parts(name)[3] not in ("short", "strong")}
TOO_LARGE = ("resnet50", "resnet101", "swin-s", "swin-b")  # for a step of a test


def labelled():
    return [DataSample().set_gt_label(label) for label in (0, 1, 2, 5)]


def total(losses):
    """The sum that mmengine minimises; all must be finite."""
    assert all(value.isfinite().all() for value in losses.values())
    return sum(value for key, value in losses.items() if "loss" in key)


@pytest.mark.parametrize("pair", [pair for pair in ONE_OF_EACH if pair[1] not in TOO_LARGE])
def test_a_step_reaches_every_parameter(pair):
    torch.manual_seed(0)
    init_default_scope("mmpretrain")
    model = MODELS.build(load_config(ROOT / ONE_OF_EACH[pair]).model).train()
    inputs = torch.randn(4, 3, 32, 32)
    if pair[0] == "m2iosr":
        total(model.max_min_loss(inputs, labelled())).backward()
    total(model.loss(inputs, labelled())).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("pair", [pair for pair in ONE_OF_EACH if pair[1] in TOO_LARGE])
def test_the_head_of_a_large_network(pair):
    """Its features are replaced by as many random ones (see above)."""
    torch.manual_seed(0)
    init_default_scope("mmpretrain")
    config = load_config(ROOT / ONE_OF_EACH[pair]).model.head
    head = MODELS.build(config).train()
    features = torch.randn(4, head.in_channels, requires_grad=True)
    total(head.loss((features,), labelled())).backward()
    assert features.grad.isfinite().all() and features.grad.any(1).all()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


NOT_AUGMENTATION = ("mmosr.SeedDraw", "LoadImageFromFile", "PackInputs")
STRONG = "softmax_resnet18_cifar10-6-4_strong.py"


def augmentation(name):
    init_default_scope("mmpretrain")
    steps = Config.fromfile(ROOT / name).train_dataloader.dataset.pipeline
    return Compose([step for step in steps if step["type"] not in NOT_AUGMENTATION])


def training_views(name, count, image):
    """What the training makes of one image."""
    pipeline = augmentation(name)
    np.random.seed(0)
    views = (pipeline(dict(img=image.copy(), img_shape=image.shape[:2])) for _ in range(count))
    return [view["img"] for view in views]


@pytest.mark.parametrize(
    ("name", "jitters"), [("softmax_wrn16-4_cifar10-6-4.py", False), (STRONG, True)]
)
def test_colour_jitter(name, jitters):
    """Strong augmentation jitters brightness, contrast and saturation (m-OvR, section VI-A)."""
    plain = np.full((32, 32, 3), (80, 120, 160), np.uint8)
    colours = {tuple(view[16, 16].tolist()) for view in training_views(name, 20, plain)}
    assert (len(colours) > 10) if jitters else colours == {(80, 120, 160)}
    assert all(blue < green < red for blue, green, red in colours)  # the hue stays


@pytest.mark.parametrize("name", ["softmax_wrn16-4_cifar10-6-4.py", STRONG])
def test_flip_and_translation(name):
    corner = np.zeros((32, 32, 3), np.uint8)
    corner[:16, :16] = 200
    sides, first_rows = set(), set()
    for view in training_views(name, 60, corner):
        bright = view.max(2) > 0.5 * view.max()
        rows, columns = (np.flatnonzero(bright.any(axis)) for axis in (1, 0))
        first_rows.add(rows[0] if rows[0] else rows[-1] - 15)
        sides.add(columns.mean() > 16)
    assert first_rows == set(range(-4, 5)) and sides == {True, False}


def test_augmentation_of_the_cac_release():
    """Crops of 80 to 100 % of the area, flips, and rotations of up to 10 degrees either way."""
    crop, flip, turn = augmentation("cac_osrcinet_cifar10-6-4_175e.py").transforms
    assert (crop.crop_ratio_range, crop.scale, flip.prob) == ((0.8, 1.0), (32, 32), 0.5)
    np.random.seed(0)
    angles = [turn.random_negative(turn.random_magnitude()) for _ in range(500)]
    assert -10 <= min(angles) < -9 and 9 < max(angles) <= 10 and turn.prob == 1
    assert np.std(angles) == pytest.approx(10 / 3**0.5, rel=0.1)  # uniform
