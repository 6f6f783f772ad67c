"""Anomaly scores of whole images, and the table of many of them."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mmosr.apis import (
    AnomalyInferencer,
    ImageInferencer,
    describe_run,
    find_images,
    init_model,
    load,
    score_images,
)
from mmosr.config.pipelines import find_test_dataset, find_test_pipeline
from mmosr.utils import InputError
from tools.score_images import main

CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='{kind}',
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True),
    backbone=dict(type='mmosr.WideResNet', depth=10, width=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=64, num_classes=3),
)
test_dataloader = dict(
    dataset=dict(
        type='mmosr.OpenSetTestData',
        known=dict(
            type='CustomDataset', data_root='nowhere', metainfo=dict(classes=('a', 'b', 'c'))),
        unknown=dict(type='mmosr.UnknownImages', data_root='nowhere'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(16, 16)),
            dict(type='PackInputs'),
        ],
    ))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """``open.py`` (with scores), ``plain.py`` (without), ``model.pth`` and twelve images."""
    root = tmp_path_factory.mktemp("classifier")
    for name, kind in (("open", "mmosr.OpenSetImageClassifier"), ("plain", "ImageClassifier")):
        (root / f"{name}.py").write_text(CONFIG.format(kind=kind))
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(root / "open.py").model)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=2.0)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, root / "model.pth")
    noise = np.random.default_rng(0)
    (root / "images" / "sub").mkdir(parents=True)
    for number in range(12):
        size = (20 + number % 3, 16, 3)
        image = noise.integers(0, 40 + 15 * number, size).astype(np.uint8)
        cv2.imwrite(str(root / "images" / ("sub" if number % 2 else "") / f"{number}.png"), image)
    return root


def _model(root, config="open.py", **options):
    return init_model(root / config, root / "model.pth", "cpu", **options)


def _table(root, out, batch_size=4, scores=("energy", "msp"), **options):
    loaded = load(root / "open.py", root / "model.pth", scores, "cpu")
    items = find_images(root / "images", out)
    run = describe_run(loaded, " ".join(loaded.model.score_names), str(root))
    return score_images(ImageInferencer(loaded), items, out, run, batch_size, **options)


def _read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestInferencer:
    def test_scores_are_those_of_the_logits(self, root):
        inferencer = ImageInferencer(_model(root, score=["msp", "energy"]))
        path = root / "images" / "4.png"
        image = cv2.resize(cv2.imread(str(path)), (16, 16))[..., ::-1].astype(np.float32)
        inputs = torch.from_numpy((image - 120) / 60).permute(2, 0, 1)[None]
        with torch.no_grad():
            logits = inferencer.model.logits_function(inputs)[0].double()
        (result,) = inferencer(path)
        assert result.scores["energy"] == pytest.approx(-float(logits.logsumexp(0)), abs=1e-4)
        assert result.score == result.scores["msp"]
        np.testing.assert_allclose(result.probabilities, logits.softmax(0), atol=1e-5)
        assert result.score == pytest.approx(1 - float(logits.softmax(0).max()), abs=1e-5)
        assert result.pred == int(logits.argmax()) and result.class_name == "abc"[result.pred]
        assert result.unknown is None

    def test_arrays_and_paths_agree_in_any_batch(self, root):
        inferencer = ImageInferencer(_model(root, "plain.py", score="max_logit"))
        paths = sorted((root / "images").glob("*.png"))
        expected = [result.score for path in paths for result in inferencer(path)]
        arrays = [cv2.imread(str(path)) for path in paths]
        found = [result.score for result in inferencer(arrays, batch_size=4)]
        assert found == pytest.approx(expected, abs=1e-4) and len(set(found)) == len(paths)

    def test_threshold(self, root):
        paths = sorted((root / "images").glob("*.png"))
        scores = [r.score for r in ImageInferencer(_model(root, score="energy"))(paths)]
        threshold = sorted(scores)[2]
        options = {"model.reject_threshold": threshold, "model.score": "energy"}
        results = list(ImageInferencer(_model(root, cfg_options=options))(paths))
        assert [result.unknown for result in results] == [score > threshold for score in scores]

    def test_wrong_models(self, root):
        with pytest.raises(InputError, match="gives no anomaly score of an image"):
            ImageInferencer(_model(root, "plain.py"))
        with pytest.raises(InputError, match="use tools/score_images.py"):
            AnomalyInferencer(_model(root))
        model = _model(root)
        model.dataset_meta = dict(classes=("a", "b"))
        with pytest.raises(InputError, match="3 classes.* name 2"):
            ImageInferencer(model)


def test_the_pipeline_of_the_known_images_serves():
    steps = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
    known = dict(type="CustomDataset", pipeline=steps)
    data = dict(type="mmosr.OpenSetTestData", known=known, unknown=dict(type="mmosr.NoiseImages"))
    cfg = Config(dict(test_dataloader=dict(dataset=data)))
    assert find_test_dataset(cfg)["type"] == "CustomDataset"
    assert find_test_pipeline(cfg) == steps


class TestTable:
    def test_rows_are_the_results(self, root, tmp_path):
        out = tmp_path / "x" / "scores.csv"
        out.parent.mkdir()
        table = _table(root, out)
        inferencer = ImageInferencer(_model(root, score=["energy", "msp"]))
        rows = _read(out)
        assert len(rows) == 12 and not table.failed
        for row in rows:
            (result,) = inferencer(row["image"])
            assert row["class"] == result.class_name
            for name in ("energy", "msp"):
                assert float(row[name]) == pytest.approx(result.scores[name], abs=1e-4)
            assert float(row["probability"]) == pytest.approx(max(result.probabilities), abs=1e-4)
        assert [file.name for file in out.parent.iterdir()] == ["scores.csv"]

    def test_stopped_and_resumed(self, root, tmp_path, monkeypatch):
        whole = tmp_path / "whole.csv"
        _table(root, whole)
        out, calls = tmp_path / "scores.csv", []
        predict = ImageInferencer.predict

        def stopping(self, prepared):
            calls.append(len(prepared))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return predict(self, prepared)

        monkeypatch.setattr(ImageInferencer, "predict", stopping)
        with pytest.raises(KeyboardInterrupt):
            _table(root, out)
        part = out.with_name("scores.csv.part")
        with part.open("a") as file:
            file.write('["half a li')
        with pytest.raises(InputError, match="differs in config, score"):
            _table(root, out, scores="msp", resume=True)
        with pytest.raises(InputError, match="differs in batch size"):
            _table(root, out, batch_size=3, resume=True)
        _table(root, out, resume=True)
        assert out.read_bytes() == whole.read_bytes()
        assert calls == [4, 4, 4, 4]  # the first batch was not run again
        assert not part.exists()

    def test_a_file_of_something_else(self, root, tmp_path):
        (tmp_path / "scores.csv.part").write_text("hello\n")
        with pytest.raises(InputError, match="not the record of a run"):
            _table(root, tmp_path / "scores.csv", resume=True)

    def test_unreadable_images_stop_no_other(self, root, tmp_path):
        folder = tmp_path / "images"
        folder.mkdir()
        for name in ("0.png", "2.png"):
            (folder / name).write_bytes((root / "images" / name).read_bytes())
        (folder / "1.png").write_bytes((root / "images" / "4.png").read_bytes()[:60])
        loaded = load(root / "open.py", root / "model.pth", device="cpu")
        run = describe_run(loaded, "msp", str(folder))
        out = tmp_path / "scores.csv"
        items = find_images(folder, out)
        table = score_images(ImageInferencer(loaded), items, out, run, 2)
        assert [row["image"] for row in _read(out)] == [str(items[0].source), str(items[2].source)]
        assert list(table.failed) == [str(items[1].source)]


class TestTool:
    def _run(self, monkeypatch, *args):
        monkeypatch.setattr("sys.argv", ["score_images.py", *map(str, args)])
        main()

    def test_end_to_end(self, root, tmp_path, monkeypatch, capsys):
        out = tmp_path / "scores.csv"
        head = (root / "plain.py", root / "model.pth", root / "images", "--out", out)
        options = ("--scores", "energy", "entropy", "--device", "cpu")
        self._run(monkeypatch, *head, *options)
        middle = sorted(float(row["energy"]) for row in _read(out))[5]
        assert "are unknown" not in capsys.readouterr().out
        self._run(monkeypatch, *head, *options, f"--reject-threshold={middle}")
        rows = _read(out)
        assert sum(row["unknown"] == "True" for row in rows) == 6
        assert all((row["unknown"] == "True") == (float(row["energy"]) > middle) for row in rows)
        text = capsys.readouterr().out
        assert "6 of 12 images are unknown" in text and "by energy" in text

    def test_bad_input(self, root, tmp_path, monkeypatch):
        head = (root / "plain.py", root / "model.pth")
        with pytest.raises(InputError, match="gives no anomaly score of an image"):
            self._run(monkeypatch, *head, root / "images", "--reject-threshold", "1")
        with pytest.raises(InputError, match="nowhere' does not exist"):
            self._run(monkeypatch, *head, tmp_path / "nowhere")
        record = tmp_path / "s.csv.part"
        record.write_text(json.dumps({}) + "\n")
        with pytest.raises(InputError, match="not the record of a run"):
            options = ("--scores", "msp", "--out", tmp_path / "s.csv", "--resume")
            self._run(monkeypatch, *head, root / "images", *options)
