"""Heat maps of folders of images: files, ranges, resumed exports and broken images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import mmosr.apis.export as export_module
from mmosr.apis import (
    AnomalyInferencer,
    ExportSettings,
    describe_run,
    export_heatmaps,
    find_images,
    load,
)
from mmosr.utils import InputError
from mmosr.visualization import HeatmapStyle, draw_heatmap, draw_labels, pictures

NAMES = ["a/x", "b/x.jpg", "b/x.png", "gray", "rgba", "wide"]


@pytest.fixture(scope="module")
def inferencer(loaded):
    return AnomalyInferencer(loaded)


@pytest.fixture(scope="module")
def loaded(files):
    return load(files / "open.py", files / "model.pth", device="cpu")


@pytest.fixture
def export(loaded, images, tmp_path, inferencer):
    def run(out="out", source=images, record=(), inferencer=inferencer, **settings):
        settings = ExportSettings(out_dir=tmp_path / out, **settings)
        items = find_images(source, settings.out_dir)
        identity = describe_run(loaded, "msp", str(source))
        return export_heatmaps(inferencer, items, settings, {**identity, **dict(record)})

    return run


def _read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_image_gets_its_own_files(export, tmp_path):
    report = export()
    assert report.written == 6 and not report.failed
    kinds = ["score.npy", "pred.png", "heatmap.png", "overlay.png"]
    expected = {f"{name}_{kind}" for name in NAMES for kind in kinds}
    assert set(_contents(tmp_path / "out")) == expected | {"export.json"}


@torch.no_grad()
def test_raw_map_and_labels_equal_the_model_output(export, inferencer, images, tmp_path):
    export()
    for name, source in zip(NAMES, ["a/x.png", "b/x.jpg", "b/x.png"], strict=False):
        sample = inferencer.model.test_step(
            {key: [value] for key, value in inferencer.prepare(images / source).items()}
        )[0]
        score = np.load(tmp_path / "out" / f"{name}_score.npy")
        assert score.dtype == np.float32
        np.testing.assert_array_equal(score, sample.pred_anomaly.msp[0].numpy())
        labels = cv2.imread(str(tmp_path / "out" / f"{name}_pred.png"), cv2.IMREAD_UNCHANGED)
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, sample.pred_sem_seg.data[0].numpy())
    assert np.load(tmp_path / "out" / "wide_score.npy").shape == (24, 48)


def test_one_range_holds_for_all_pictures(export, images, tmp_path):
    report = export(style=HeatmapStyle("turbo", 0.25))
    out = tmp_path / "out"
    scores = {name: np.load(out / f"{name}_score.npy") for name in NAMES}
    pixels = np.concatenate([score.ravel() for score in scores.values()]).astype(np.float64)
    expected = np.percentile(pixels, (1, 99), method="inverted_cdf")
    assert report.value_range == tuple(expected)
    record = json.loads((out / "export.json").read_text())
    assert record["range"] == list(expected) and record["finished"] is True
    for name, score in scores.items():
        heatmap = draw_heatmap(score, *expected, "turbo")
        np.testing.assert_array_equal(_read(out / f"{name}_heatmap.png"), heatmap)
    image = _read(images / "rgba.png").astype(np.float64)
    blend = np.rint(0.75 * image + 0.25 * draw_heatmap(scores["rgba"], *expected, "turbo"))
    np.testing.assert_array_equal(_read(out / "rgba_overlay.png"), blend)


def test_given_range_minmax_and_range_per_image(export, tmp_path):
    out = tmp_path / "out"
    assert export(value_range=(-1.0, 2.0)).value_range == (-1.0, 2.0)
    gray = np.load(out / "gray_score.npy")
    np.testing.assert_array_equal(_read(out / "gray_heatmap.png"), draw_heatmap(gray, -1, 2))
    low, high = export(range_from="minmax").value_range
    pixels = np.concatenate([np.load(path).ravel() for path in out.rglob("*.npy")])
    assert (low, high) == (pixels.min(), pixels.max())
    assert export(range_from="minmax", per_image_range=True).value_range is None
    np.testing.assert_array_equal(
        _read(out / "gray_heatmap.png"), draw_heatmap(gray, gray.min(), gray.max())
    )


def test_label_colors_use_the_palette_of_the_data(export, tmp_path):
    export(color_pred=True)
    labels = cv2.imread(str(tmp_path / "out" / "gray_pred.png"), cv2.IMREAD_UNCHANGED)
    palette = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    expected = draw_labels(labels, palette)
    np.testing.assert_array_equal(_read(tmp_path / "out" / "gray_pred_color.png"), expected)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(
    ("module", "function"), [(export_module, "write_maps"), (pictures, "write_picture")]
)
def test_resumed_export_equals_an_uninterrupted_one(
    export, tmp_path, monkeypatch, batch_size, module, function
):
    export("whole", batch_size=batch_size, style=HeatmapStyle(color_bar=True))
    original, calls = getattr(module, function), []

    def stop(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        original(*args)

    settings = {"batch_size": batch_size, "style": HeatmapStyle(color_bar=True)}
    with monkeypatch.context() as patch:
        patch.setattr(module, function, stop)
        with pytest.raises(KeyboardInterrupt):
            export("stopped", **settings)
    assert json.loads((tmp_path / "stopped" / "export.json").read_text())["finished"] is False
    export("stopped", resume=True, **settings)
    assert _contents(tmp_path / "stopped") == _contents(tmp_path / "whole")


def test_resume_runs_the_model_only_where_needed(export, inferencer, tmp_path, monkeypatch):
    export()
    before = _contents(tmp_path / "out")
    (tmp_path / "out" / "gray_pred.png").unlink()
    damaged = tmp_path / "out" / "wide_score.npy"
    damaged.write_bytes(damaged.read_bytes()[:-8])
    prepared, original = [], inferencer.prepare
    monkeypatch.setattr(
        inferencer, "prepare", lambda path: prepared.append(path.name) or original(path)
    )
    export(resume=True)
    assert prepared == ["gray.png", "wide.png"]
    assert _contents(tmp_path / "out") == before


def test_resume_of_another_run_is_refused(export, tmp_path):
    export()
    for key, what in [("checkpoint_sha256", "checkpoint"), ("score", "score"), ("input", "input")]:
        with pytest.raises(InputError, match=f"from a run that differs in {what};"):
            export(resume=True, record={key: "other"})
    path = tmp_path / "out" / "export.json"
    run = json.loads(path.read_text())["run"]
    for content in ({}, {"run": run}, {"run": run, "images": ["a"]}):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match="not the record of a run"):
            export(resume=True)


def test_a_new_export_never_adopts_maps_of_an_older_one(export, tmp_path, monkeypatch):
    export(record={"checkpoint_sha256": "old"})
    for path in (tmp_path / "out").rglob("*_score.npy"):
        np.save(path, np.full((24, 32), 99, np.float32))

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(export_module, "write_maps", stop)
        with pytest.raises(KeyboardInterrupt):
            export()
    export(resume=True)
    export("fresh")
    assert _contents(tmp_path / "out") == _contents(tmp_path / "fresh")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_broken_images_do_not_stop_the_others(export, images, tmp_path, batch_size):
    export("clean")
    cut = (images / "a" / "x.png").read_bytes()
    (images / "c.png").write_bytes(cut[: len(cut) // 2])
    (images / "d.png").write_bytes(b"")
    (images / "e.png").write_text("no image")
    report = export(batch_size=batch_size)
    assert set(report.failed) == {str(images / name) for name in ("c.png", "d.png", "e.png")}
    assert all("cannot be read" in reason for reason in report.failed.values())
    assert report.written == 6
    clean, found = _contents(tmp_path / "clean"), _contents(tmp_path / "out")
    if batch_size == 1:
        clean.pop("export.json"), found.pop("export.json")
        assert clean == found


def test_scores_that_are_not_finite_are_reported_and_leave_the_range_alone(
    export, tmp_path, monkeypatch
):
    export()
    score = np.load(tmp_path / "out" / "gray_score.npy")
    score[0, 0] = np.nan
    np.save(tmp_path / "out" / "gray_score.npy", score)
    report = export(resume=True)
    assert [Path(source).name for source in report.not_finite] == ["gray.png"]
    assert np.isfinite(report.value_range).all()
    assert _read(tmp_path / "out" / "gray_heatmap.png")[0, 0].tolist() == [0, 0, 0]


def test_lists_and_patterns(images, tmp_path):
    names = lambda argument: [item.name for item in find_images(argument, tmp_path / "out")]  # noqa: E731
    assert names(images) == NAMES
    assert names(images / "b" / "x.jpg") == ["x"]
    assert names(images / "b" / "*.png") == ["x"]
    assert names(f"{images}/**/*.png") == ["a/x", "b/x", "gray", "rgba", "wide"]
    (images / "list.txt").write_text("gray.png\n\nb/x.png\na/x.png\ngray.png\n")
    assert names(images / "list.txt") == ["gray", "b/x", "a/x"]
    (images / "b" / "list.txt").write_text("../a/x.png\nx.png\n")
    assert names(images / "b" / "list.txt") == ["a/x", "b/x"]


def test_clashing_names_are_kept_apart(tmp_path):
    for name in ("x.png", "x.jpg", "x.png.jpg"):
        (tmp_path / name).touch()
    names = [item.name for item in find_images(tmp_path, tmp_path / "out")]
    assert sorted(names) == ["x.jpg", "x.png", "x.png.jpg"]


def test_outputs_inside_the_input_folder_are_no_input(export, images):
    report = export(out=images / "heatmaps")
    assert report.written == 6
    assert len(find_images(images, images / "heatmaps")) == 6
    with pytest.raises(InputError, match="is the input folder"):
        find_images(images, images)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("missing.png", "does not exist"),
        ("*.webp", "has no images"),
        ("empty", "has no images"),
        ("empty.txt", "names no images"),
        ("wrong.txt", "line 2: image '.*nothing.png' does not exist"),
        ("data.csv", "neither an image"),
    ],
)
def test_useless_input_is_refused(tmp_path, argument, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "wrong.txt").write_text("data.csv\nnothing.png\n")
    (tmp_path / "data.csv").touch()
    with pytest.raises(InputError, match=message):
        find_images(tmp_path / argument, tmp_path / "out")


@pytest.mark.parametrize(
    "settings",
    [
        {"value_range": (1.0, 1.0)},
        {"value_range": (0.0, 1.0), "per_image_range": True},
        {"range_from": "mean"},
        {"batch_size": 0},
    ],
)
def test_useless_settings_are_refused(settings, tmp_path):
    with pytest.raises(InputError):
        ExportSettings(tmp_path, **settings)
