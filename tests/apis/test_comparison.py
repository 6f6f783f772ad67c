"""Several models on the same data, against mmengine's own test and by hand."""

import csv
import io
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from rich.console import Console

from mmosr.apis import AnomalyInferencer, init_model
from mmosr.apis.comparison import (
    Comparison,
    Contestant,
    compare,
    draw_sheet,
    show_comparison,
    write_comparison,
)
from mmosr.evaluation import ScoreHistogram, figures
from mmosr.utils import InputError, threads
from mmosr.visualization.frames import frame_panels
from tests.in_process import run_in_process
from tests.preparation import downloads

SIZE = (24, 32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five test scenes with unknown pixels and one validation scene without."""
    root = tmp_path_factory.mktemp("compared")
    rng = np.random.default_rng(0)
    for split, count in (("test", 5), ("val", 1)):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for index in range(count):
            label = rng.integers(0, 3, SIZE, dtype=np.uint8)
            if split == "test":
                label[4:10, 5 + index : 15] = 254
            picture = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            cv2.imwrite(str(root / "images" / split / f"{index}.png"), picture)
            cv2.imwrite(str(root / "labels" / split / f"{index}.png"), label)
    return root


@pytest.fixture
def contestant(files, data, tmp_path):
    """A config with loaders for the data, and the tiny checkpoint."""
    config = Config.fromfile(files / "open.py")
    steps = [dict(type=t) for t in ("LoadImageFromFile", "mmosr.LoadOpenSetAnnotations")]
    for split in ("test", "val"):
        dataset = dict(
            type="mmosr.OpenSetSegDataset",
            metainfo=dict(config.test_dataloader.dataset.metainfo),
            data_root=str(data),
            data_prefix=dict(img_path=f"images/{split}", seg_map_path=f"labels/{split}"),
            img_suffix=".png",
            mark_unknown=True,
            pipeline=[*steps, dict(type="PackSegInputs")],
        )
        sampler = dict(type="DefaultSampler", shuffle=False)
        config[f"{split}_dataloader"] = dict(
            batch_size=2, num_workers=0, sampler=sampler, dataset=dataset
        )
        config[f"{split}_evaluator"] = dict(type="mmosr.OpenSetMetric")
    config.model.score = ["msp", "energy"]
    path = tmp_path / "compared.py"
    config.dump(path)
    return Contestant("tiny", path, files / "model.pth")


def test_figures_and_frames(contestant, data):
    """Against the pooled pixels of the inferencer."""
    result = compare(contestant, frames=4)
    model = init_model(contestant.config, contestant.checkpoint)
    paths = [data / "images" / "test" / f"{i}.png" for i in range(5)]
    labels = [cv2.imread(str(data / "labels" / "test" / p.name), -1) for p in paths]
    maps = list(AnomalyInferencer(model)([str(path) for path in paths]))
    for name in ("msp", "energy"):
        scores = np.stack([found.scores[name] for found in maps]).ravel()
        unknown = np.stack(labels).ravel() == 254
        expected = figures(ScoreHistogram.from_scores(scores, unknown))
        for figure in ("AUROC", "AP", "FPR95"):
            assert result.figures[f"{name}/{figure}"] == pytest.approx(
                100 * expected[figure], abs=1e-3
            )
    assert [frame.image.name for frame in result.frames] == ["0.png", "1.png", "2.png", "0.png"]
    calm = result.frames[-1]
    assert calm.image.parent.name == "val" and "no unknown object" in calm.caption
    assert not (calm.label == 254).any()
    for frame, found, label in zip(result.frames[:3], maps, labels, strict=False):
        np.testing.assert_allclose(frame.score, found.score, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(frame.label, label)
        palette = np.array(model.dataset_meta["palette"])
        np.testing.assert_array_equal(frame.prediction, palette[found.pred])
        assert f"{100 * (label == 254).mean():.1f} % unknown" in frame.caption


def test_objects_of_fishyscapes_static_are_in_the_frames(contestant, tmp_path):
    wanted = downloads.fishyscapes_static(tmp_path / "static", tmp_path)
    (tmp_path / "static/VERSION.json").write_text('{"version": 3}')
    options = {
        "type": "mmosr.FishyscapesStaticDataset",
        "_delete_": True,
        "data_root": str(tmp_path / "static"),
        "cityscapes": str(tmp_path),
        "version": 3,
        "pipeline": Config.fromfile(contestant.config).test_dataloader.dataset.pipeline,
    }
    changes = {"test_dataloader.dataset": options, "val_dataloader": None}
    result = compare(replace(contestant, cfg_options=changes), frames=2)
    for frame, picture in zip(result.frames, wanted.values(), strict=True):
        np.testing.assert_array_equal(frame_panels(frame, 0, 1, columns=["image"])[0], picture)


def test_other_scores_and_no_frames(contestant):
    files = contestant.config, contestant.checkpoint
    result = compare(Contestant("other", *files, scores=("max_logit",)))
    assert result.scores == ("max_logit",) and not result.frames


def made():
    figures_a = {"x/AUROC": 90.0, "x/AP": 50.0, "x/FPR95": 20.0, "mIoU": 80.0}
    figures_b = {"y/AUROC": 95.0, "y/AP": 40.0, "y/FPR95": 30.0, "mIoU": 81.0}
    return [Comparison("a [1]", ("x", "z"), figures_a), Comparison("b", ("y",), figures_b)]


def test_tables(tmp_path):
    write_comparison(made(), tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["model", "score", "AUROC", "AP", "FPR95", "mIoU"]
    assert rows[1] == ["a [1]", "x", "90.0", "50.0", "20.0", "80.0"]
    assert rows[3] == ["b", "y", "95.0", "40.0", "30.0", "81.0"]
    assert math.isnan(float(rows[2][2])) and rows[2][5] == "80.0"
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    show_comparison(made(), console)
    text = console.file.getvalue()
    assert "a [1]" in text
    bold = {part.split("\x1b[0m")[0] for part in text.split("\x1b[1m")[1:]}
    assert {"95.0", "50.0", "20.0", "81.0"} <= bold
    assert not {"90.0", "40.0", "30.0", "80.0"} & bold


def test_the_tool(contestant, tmp_path, capsys):
    model = ["--model", "tiny", contestant.config, contestant.checkpoint]
    out = tmp_path / "out"
    assert run_in_process("compare", *model, *model, "msp", "--out-dir", out, "--images", 3) == 0
    sheet = cv2.imread(str(out / "sheet.png"))
    assert sheet.shape[1] > 3 * 2 * SIZE[1] and (out / "comparison.csv").is_file()
    assert capsys.readouterr().out.count("tiny") >= 3


def test_a_table_without_a_sheet(contestant, tmp_path, capsys):
    model = ["--model", "tiny", contestant.config, contestant.checkpoint]
    assert run_in_process("compare", *model, "--out-dir", tmp_path / "out", "--images", 0) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["comparison.csv"]
    assert "tiny" in capsys.readouterr().out


def test_missing_validation_data_shows_before_the_test(contestant, monkeypatch):
    options = {"val_dataloader.dataset.data_root": "/nowhere"}
    missing = Contestant("x", contestant.config, contestant.checkpoint, cfg_options=options)
    with pytest.raises(InputError, match="val_dataloader: image folder /nowhere"):
        compare(missing, frames=3)
    assert not compare(missing).frames  # not needed without pictures


def test_refused(contestant, files, tmp_path):
    with pytest.raises(InputError, match="has no 'test_evaluator'"):
        compare(Contestant("x", files / "open.py", contestant.checkpoint))
    with pytest.raises(InputError, match="does not exist"):
        compare(Contestant("x", contestant.config, tmp_path / "none.pth"))


def test_sheet_needs_frames(tmp_path):
    with pytest.raises(InputError):
        draw_sheet(Comparison("x", (), {}), tmp_path / "s.png", "")


def test_busy_processors_are_left_to_others(contestant, monkeypatch):
    """A comparison is not resumed, so its digits may depend on the load of the machine."""
    for name in threads.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "measure_processors", lambda seconds: (2, 2, float(seconds > 0)))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        compare(contestant)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
