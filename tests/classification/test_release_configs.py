"""The configs for the published CAC weights: what they build, and their network input."""

import cv2
import pytest
import torch
from cac_release import read_release, write_release
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, init_default_scope

from mmosr.config.loading import load_config
from mmosr.config.pipelines import fit_dataloader
from mmosr.datasets import load_split
from mmosr.engine.checkpoint import load_checkpoint_strict
from mmosr.registry import MODELS
from mmosr.utils import UNKNOWN
from tests.configs.support import IMAGE_CONFIGS, ROOT, leaves
from tests.tools.cac_files import crops, logits, normalised, release, save

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()
TRIALS = range(5)
RELEASE = {
    f"{method}_osrcinet_cifar10-release-trial{trial}.py": (method, trial)
    for method in ("cac", "softmax")
    for trial in TRIALS
}
# From the release's own settings, RGB.
MEANS = [
    (0.4858, 0.4771, 0.4326),
    (0.4850, 0.4598, 0.4032),
    (0.4882, 0.4847, 0.4552),
    (0.4872, 0.4836, 0.4498),
    (0.4917, 0.4810, 0.4498),
]
STDS = [
    (0.2422, 0.2374, 0.2547),
    (0.2452, 0.2397, 0.2474),
    (0.2454, 0.2408, 0.2622),
    (0.2465, 0.2432, 0.2595),
    (0.2512, 0.2487, 0.2685),
]


def load(name):
    cfg = load_config(ROOT / name)
    init_default_scope(cfg.default_scope)
    return cfg


def build(cfg):
    model = MODELS.build(cfg.model)
    model.eval()
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three photographs per class and part, in the layout of the data set."""
    root = tmp_path_factory.mktemp("cifar10_jpeg")
    pictures = iter(crops(60))
    for part in ("train", "test"):
        for name in NAMES:
            (root / part / name).mkdir(parents=True)
            for index in range(3):
                cv2.imwrite(str(root / part / name / f"{index}.jpg"), next(pictures))
    return root


def test_all_are_here():
    assert set(RELEASE) <= set(IMAGE_CONFIGS)


@pytest.mark.parametrize("name", RELEASE)
def test_config(name, folder):
    method, trial = RELEASE[name]
    cfg = load(name)
    model = build(cfg)
    split = load_split("cac_release/cifar10", trial)
    preprocessor = model.data_preprocessor
    for found, published, ours in (
        (preprocessor.mean, MEANS[trial], split.mean),
        (preprocessor.std, STDS[trial], split.std),
    ):
        assert published == ours
        torch.testing.assert_close(found.flatten(), 255 * torch.tensor(published))
    assert model.known_classes == 6 and model.feature_dims == 2048
    assert model.score_names == ({"cac": "cac", "softmax": "msp"}[method],)
    if method == "cac":
        assert model.head.mirror_fit and model.classifier.test_anchors == "reestimated"
        assert torch.equal(model.classifier.anchors, 10 * torch.eye(6))
    (metric,) = Evaluator(cfg.test_evaluator).metrics
    assert type(metric).__name__ == "OpenSetRecognitionMetric"
    loaders = {"train": fit_dataloader(cfg), "test": cfg.test_dataloader}
    for part, loader in loaders.items():
        assert loader["dataset"]["data_root"] == "data/cifar10_jpeg"
        data = DATASETS.build(dict(loader["dataset"], data_root=str(folder)))
        found = {data.get_data_info(i)["gt_label"] for i in range(len(data))}
        assert found == {*range(6)} | ({UNKNOWN} if part == "test" else set())
        assert len(data) == (30 if part == "test" else 18)
        assert data.metainfo["classes"] == split.known_names
        assert not [step for step in loader["dataset"]["pipeline"] if "Flip" in step["type"]]


@pytest.mark.parametrize("trial", TRIALS)
def test_twins_differ_in_the_head_alone(trial):
    cac, softmax = (
        leaves(load(f"{method}_osrcinet_cifar10-release-trial{trial}.py").to_dict())
        for method in ("cac", "softmax")
    )
    changed = {key for key in {*cac, *softmax} if cac.get(key) != softmax.get(key)}
    assert changed == {"model.head.type"}


@pytest.mark.parametrize(("method", "trial"), [("cac", 3), ("softmax", 1)])
def test_logits_through_the_whole_pipeline(method, trial, folder, tmp_path):
    """From the image file onwards, against the release's own steps in plain PyTorch."""
    content = release(method == "cac")
    source = save(content, tmp_path / f"CIFAR10_{trial}_CACclassifier.pth")
    write_release(read_release(source), tmp_path / "ours.pth")
    cfg = load(f"{method}_osrcinet_cifar10-release-trial{trial}.py")
    model = build(cfg)
    load_checkpoint_strict(model, tmp_path / "ours.pth")
    files = sorted((folder / "test").rglob("*.jpg"))[:7]
    steps = Compose(cfg.test_dataloader.dataset.pipeline)
    batch = [steps(dict(img_path=str(path), gt_label=0)) for path in files]
    inputs = model.data_preprocessor(dict(inputs=[item["inputs"] for item in batch]))["inputs"]
    reference = torch.stack([normalised(path, MEANS[trial], STDS[trial]) for path in files])
    torch.testing.assert_close(inputs, reference, rtol=0, atol=1e-5)
    expected = logits(content["net"], reference)
    with torch.no_grad():
        found = model.logits_function(inputs) if method == "softmax" else None
        if method == "cac":
            features = model.head.pre_logits(model.extract_feat(inputs))
            found = model.classifier.embed(features)
    assert expected.std(0).min() > 0.1  # the images matter
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
