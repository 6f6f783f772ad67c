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
    dataset=dict(
        type="mmosr.OpenSetTestData",
        known=dict(
            type="CustomDataset", data_root="{root}", data_prefix="", pipeline=[load, pack]),
        unknown=dict(
            type="mmosr.UnknownImages", host="CustomDataset", data_root="{root}", data_prefix="",
            pipeline=[load, dict(type="Resize", scale=(5, 9)), pack])))
test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
test_cfg = dict()
"""
FLIPPED = """
_base_ = "plain.py"
turn = dict(type="RandomFlip", prob=1.0)
_base_.test_dataloader.dataset.known.pipeline.insert(1, turn)
_base_.test_dataloader.dataset.unknown.pipeline.insert(2, turn)
"""
VIEWS = """
_base_ = "plain.py"
tta_model = dict(type="mmpretrain.AverageClsScoreTTA")
views = [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="TestTimeAug", transforms=[views, [dict(type="PackInputs")]])]
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
    (root / "plain.py").write_text(CONFIG.replace("{root}", str(root / "data")))
    (root / "flipped.py").write_text(FLIPPED)
    (root / "views.py").write_text(VIEWS)
    known = "test_dataloader = dict(dataset=dict(unknown=dict(pipeline=[*tta_pipeline[:1], "
    (root / "same.py").write_text(VIEWS + known + "dict(type='PackInputs')])))\n")
    torch.save({"state_dict": build().state_dict(), "meta": {}}, root / "model.pth")
    return root


@pytest.fixture
def table(folder, tmp_path):
    """Function from a config and options to the rows that ``tools/test.py --out-dir`` writes."""

    def run(config, *options):
        arguments = [folder / "model.pth", "--out-dir", tmp_path, "--work-dir", tmp_path, *options]
        status = run_in_process("test", folder / config, *arguments)
        if status:
            return status
        with (tmp_path / "images.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return run


def test_mirrored_views_of_parts_with_different_pipelines(table):
    views = table("plain.py"), table("flipped.py")
    for *pair, both in zip(*views, table("plain.py", "--tta"), strict=True):
        assert len({row["image"] for row in (*pair, both)}) == 1
        for score in ("energy", "msp"):
            values = [float(row[score]) for row in pair]
            assert abs(values[0] - values[1]) > 1e-4
            assert float(both[score]) == pytest.approx(np.mean(values), rel=1e-5)


def test_views_of_the_config(table, capsys):
    for one, other in zip(table("same.py", "--tta"), table("plain.py", "--tta"), strict=True):
        if one["truth"] != "-1":
            assert float(one["energy"]) == pytest.approx(float(other["energy"]), rel=1e-5)
    assert table("views.py", "--tta") == 1
    assert "but they differ" in capsys.readouterr().err.splitlines()[-1]
