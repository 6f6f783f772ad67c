"""Training, fitting and testing image models with the tools."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from mmosr.config.loading import load_config
from mmosr.engine.checkpoint import SCORE_STATISTICS, load_statistics, read_checkpoint
from mmosr.evaluation.rejection import rejection_threshold
from mmosr.registry import MODELS
from mmosr.scored_model import set_scores
from tests.in_process import load_tool

CLASSES, PER_CLASS = 3, 8
CONFIG = """
default_scope = "mmpretrain"
steps = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True),
    backbone=dict(
        type="ResNet_CIFAR", depth=18, stem_channels=4, base_channels=4, out_indices=(3,)),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(type="LinearClsHead", in_channels=32, num_classes=3, cal_acc=True))
train_dataloader = dict(
    batch_size=6, num_workers=0, sampler=dict(type="InfiniteSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="CustomDataset", data_root="{root}", data_prefix="train",
        pipeline=[steps[0], dict(type="RandomFlip", prob=0.5), steps[1]]))
val_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="CustomDataset", data_root="{root}", data_prefix="val", pipeline=steps))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type="Accuracy", topk=1)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=20, val_interval=20)
val_cfg = test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=20),
    logger=dict(type="LoggerHook", interval=10))
randomness = dict(seed=0)
"""
OPEN_SET = """
_base_ = "plain.py"
model = dict(type="mmosr.OpenSetImageClassifier", head=dict(type="mmosr.{head}"){more})
val_evaluator = test_evaluator = dict(_delete_=True, type="mmosr.OpenSetRecognitionMetric")
custom_hooks = [dict(type="mmosr.FitHook")]
"""
MIXTURE = 'optim_wrapper = dict(constructor="mmosr.MixtureOptimWrapperConstructor")\n'
HEADS = dict(
    cac=OPEN_SET.format(head="CACClsHead", more=""),
    lgmm=OPEN_SET.format(head="LGMMClsHead", more="") + MIXTURE,
    movr=OPEN_SET.format(
        head="MOvRClsHead", more=', rotation_head=dict(type="mmosr.RotationHead")'
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Configs, and a folder of images per class, with brightness by class."""
    root = tmp_path_factory.mktemp("tools")
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(CLASSES):
            path = root / split / f"class_{label}"
            path.mkdir(parents=True)
            for index in range(PER_CLASS):
                image = generator.integers(0, 100, (16, 16, 3)) + 60 * label
                cv2.imwrite(str(path / f"{index}.png"), image.astype(np.uint8))
    (root / "plain.py").write_text(CONFIG.replace("{root}", str(root)))
    for name, text in HEADS.items():
        (root / f"{name}.py").write_text(text)
    return root


@pytest.fixture
def call(monkeypatch):
    def run(tool, *arguments):
        monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
        load_tool(tool).main()

    return run


def figures(work_dir):
    """What the last run in a work folder measured."""
    (file,) = sorted(work_dir.glob("*/*.json"))[-1:]
    return json.loads(file.read_text().splitlines()[-1])


def load(folder, name, checkpoint, scores):
    """A model with the weights and statistics of a checkpoint."""
    init_default_scope("mmpretrain")
    cfg = load_config(folder / f"{name}.py")
    set_scores(cfg.model, scores)
    model = MODELS.build(cfg.model).eval()
    content = read_checkpoint(checkpoint)
    model.load_state_dict(content["state_dict"], strict=True)
    load_statistics(model, content)
    return model


def read(folder, split):
    paths = sorted((folder / split).rglob("*.png"))
    pictures = [torch.from_numpy(cv2.imread(str(path))).permute(2, 0, 1) for path in paths]
    return pictures, torch.arange(CLASSES).repeat_interleave(PER_CLASS)


@pytest.mark.parametrize("name", HEADS)
def test_train_and_test(folder, tmp_path, call, name):
    call("train", folder / f"{name}.py", "--work-dir", tmp_path / "train")
    checkpoint = tmp_path / "train/iter_20.pth"
    scores = {"cac": ["cac", "sml"], "lgmm": ["likelihood"], "movr": ["movr", "msp"]}[name]
    if "sml" in scores:
        fitted = tmp_path / "fitted.pth"
        call(
            *("fit_score", folder / f"{name}.py", checkpoint, "--out", fitted),
            *("--work-dir", tmp_path / "fit", "--scores", *scores),
        )
        before, after = (read_checkpoint(path)["state_dict"] for path in (checkpoint, fitted))
        assert before["head.classifier.fitted"]  # by the hook, on the same images
        for key, value in before.items():
            torch.testing.assert_close(after[key], value, rtol=1e-5, atol=1e-5, msg=key)
        checkpoint = fitted
    call(
        *("test", folder / f"{name}.py", checkpoint),
        *("--work-dir", tmp_path / "test", "--scores", *scores),
    )
    found = figures(tmp_path / "test")
    model = load(folder, name, checkpoint, scores)
    pictures, labels = read(folder, "val")
    with torch.no_grad():
        samples = model.test_step(
            dict(inputs=pictures, data_samples=[DataSample() for _ in pictures])
        )
    right = np.mean([s.pred_label.item() == y for s, y in zip(samples, labels, strict=True)])
    assert found["accuracy/top1"] == pytest.approx(100 * right, abs=1e-3)
    assert right > 0.5  # brightness is easy to learn
    for score in scores:
        values = np.array([sample.anomaly_scores[score].item() for sample in samples], np.float32)
        threshold = rejection_threshold(values, 0.1)
        assert found[f"{score}/rejection-threshold"] == pytest.approx(threshold, rel=1e-3)


def test_any_checkpoint_of_the_host(folder, tmp_path, call):
    call("train", folder / "plain.py", "--work-dir", tmp_path / "train")
    checkpoint, out = tmp_path / "train/iter_20.pth", tmp_path / "fitted.pth"
    options = ("--scores", "sml", "mahalanobis")
    call(
        *("fit_score", folder / "plain.py", checkpoint, "--out", out),
        *("--work-dir", tmp_path / "fit", *options),
    )
    content = read_checkpoint(out)
    model = load(folder, "plain", out, ["sml", "mahalanobis"])
    pictures, labels = read(folder, "train")
    with torch.no_grad():
        inputs = model.data_preprocessor(dict(inputs=pictures))["inputs"]
        features = model.extract_feat(inputs)[-1]
        top, predicted = model.head.fc(features).max(1)
    statistics = content[SCORE_STATISTICS]
    for label in predicted.unique().tolist():
        rows = top[predicted == label]
        if len(rows) > 1:
            torch.testing.assert_close(statistics["sml"]["means"][label], rows.mean())
    centre = statistics["mahalanobis"]["centres"][0]
    torch.testing.assert_close(centre, features.mean(0), rtol=1e-4, atol=1e-5)
    assert content["state_dict"].keys() == read_checkpoint(checkpoint)["state_dict"].keys()
    call("test", folder / "plain.py", out, "--work-dir", tmp_path / "test", *options)
    assert "sml/AUROC" not in figures(tmp_path / "test")
    # Runs of one process that start in the same second share a log.
    logs = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert "The evaluator computes no figures of the anomaly scores" in logs
