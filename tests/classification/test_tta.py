"""Scores of several views of an image: averaged, by hand and through the tool."""

import csv

import cv2
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmosr.classification import OpenSetClsTTAModel
from tests.in_process import run_in_process

from .toy import C, build

CONFIG = """
default_scope = "mmpretrain"
load, pack, flip = dict(type="LoadImageFromFile"), dict(type="PackInputs"), dict(type="RandomFlip")
model = dict(
    type="mmosr.OpenSetImageClassifier", score=["energy", "msp"], reject_threshold=-1.0,
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True),
    backbone=dict(type="mmosr.TestImageBackbone"),
    head=dict(type="LinearClsHead", in_channels=8, num_classes=4))
test_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="CustomDataset", data_root="{root}", data_prefix="", pipeline=[load, pack]))
test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
test_cfg = dict()
tta_model = dict(type="{type}")
views = [dict(flip, prob=0.0), dict(flip, prob=1.0)]
tta_pipeline = [load, dict(type="TestTimeAug", transforms=[views, [pack]])]
"""
FLIPPED = """
_base_ = "plain.py"
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type="LoadImageFromFile"), dict(type="RandomFlip", prob=1.0), dict(type="PackInputs")]))
"""


def test_labels_and_scores_are_of_the_mean():
    model = build(score=["energy", "msp"], reject_threshold=0.0)
    tta = OpenSetClsTTAModel(module=model).eval()
    torch.manual_seed(0)
    images = torch.randn(2, 16, 3, 4, 6) * 3  # views, images
    views = [[DataSample(img_path=f"{i}.png").set_gt_label(i % C) for i in range(16)] for _ in "ab"]
    data = dict(inputs=list(images), data_samples=views)
    with torch.no_grad():
        merged = tta.test_step(data)
        logits = torch.stack([model.head(model.extract_feat(view)) for view in images])
    mean = logits.softmax(-1).mean(0)
    first = logits[0].argmax(-1)
    assert (first != mean.argmax(-1)).any()  # the label of the first view is another one
    assert [sample.pred_label.item() for sample in merged] == mean.argmax(-1).tolist()
    torch.testing.assert_close(torch.stack([sample.pred_score for sample in merged]), mean)
    energy = -logits.logsumexp(-1).mean(0)
    msp = (1 - logits.softmax(-1).amax(-1)).mean(0)
    for values, name in ((energy, "energy"), (msp, "msp")):
        found = torch.stack([sample.anomaly_scores[name] for sample in merged])
        torch.testing.assert_close(found, values)
    torch.testing.assert_close(torch.stack([sample.anomaly_score for sample in merged]), energy)
    assert all("pred_open_set" not in sample for sample in merged)
    assert [sample.gt_label.item() for sample in merged] == [i % C for i in range(16)]


def test_a_model_without_scores():
    tta = OpenSetClsTTAModel(module=build(type="ImageClassifier")).eval()
    views = [[DataSample()], [DataSample()]]
    (sample,) = tta.test_step(dict(inputs=list(torch.randn(2, 1, 3, 4, 6)), data_samples=views))
    assert sample.pred_label.item() == sample.pred_score.argmax()
    assert "anomaly_score" not in sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("tta")
    generator = np.random.default_rng(0)
    for label in range(C):
        for index in range(3):
            path = root / "data" / f"class_{label}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), generator.integers(0, 255, (6, 8, 3), np.uint8))
    torch.save({"state_dict": build().state_dict(), "meta": {}}, root / "model.pth")
    return root


@pytest.mark.parametrize("kind", ["AverageClsScoreTTA", "mmpretrain.AverageClsScoreTTA"])
def test_the_tool_averages_the_views(folder, tmp_path, kind):
    text = CONFIG.replace("{root}", str(folder / "data")).replace("{type}", kind)
    (tmp_path / "plain.py").write_text(text)
    (tmp_path / "flipped.py").write_text(FLIPPED)

    def table(name, config, *options):
        arguments = [folder / "model.pth", "--out", tmp_path / name, "--work-dir", tmp_path / "w"]
        assert not run_in_process("test", tmp_path / config, *arguments, *options)
        with (tmp_path / name / "images.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    views = table("whole", "plain.py"), table("turned", "flipped.py")
    for *pair, both in zip(*views, table("both", "plain.py", "--tta"), strict=True):
        assert len({row["image"] for row in (*pair, both)}) == 1
        for score in ("energy", "msp"):
            values = [float(row[score]) for row in pair]
            assert abs(values[0] - values[1]) > 1e-4
            assert float(both[score]) == pytest.approx(np.mean(values), rel=1e-5)
