"""A whole benchmark from Python: figures, files, maps and data sets."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmosr.apis import load
from mmosr.benchmark.pixels import BenchmarkData, find_benchmarks
from mmosr.config.loading import load_config
from mmosr.evaluation import OpenSetMetric
from mmosr.evaluation.components import (
    ComponentCounts,
    ComponentSizes,
    component_counts,
    component_figures,
)
from mmosr.utils import InputError

from .support import SCORES, all_pixels, expected_figures, images_of, report, run


@pytest.fixture(scope="module")
def everything(files, tmp_path_factory):
    """The results of three data sets, and their folder."""
    out = tmp_path_factory.mktemp("everything")
    return run(files, out, ["test", files.objects, files.others]), out


def test_figures_are_those_of_all_pixels_at_once(files, everything):
    own, objects, others = everything[0]
    for result in (own, objects, others):
        maps, labels = all_pixels(files)
        if result is others:
            maps, labels = {name: part[:3] for name, part in maps.items()}, labels[:3]
            labels = np.where((labels == 0) | (labels == 4), 255, labels)  # road and fence
        assert result.images == len(labels)
        assert (result.known, result.unknown, result.ignored) == (
            (labels < 254).sum(),
            (labels == 254).sum(),
            (labels == 255).sum(),
        )
        assert result.unknown > 0
        for name in SCORES:
            for key, value in expected_figures(maps[name], labels).items():
                assert result.figures[name][key] == pytest.approx(value, abs=1e-9), (name, key)


def test_figures_of_each_image(files, everything):
    maps, labels = all_pixels(files)
    lines = everything[0][0].per_image
    assert len(lines) == len(labels) * len(SCORES)
    for number, image in enumerate(images_of(files)):
        for line in lines[2 * number : 2 * number + 2]:
            assert line["image"] == str(image)
            assert line["unknown"] == (labels[number] == 254).sum()
            assert line["known"] == (labels[number] < 254).sum()
            for key, value in expected_figures(maps[line["score"]][number], labels[number]).items():
                assert line[key] == pytest.approx(value, abs=1e-9)
    assert [line["score"] for line in lines[:2]] == SCORES


def test_frames_are_the_best_and_worst_images(files, everything):
    maps, labels = all_pixels(files)
    ap = [expected_figures(*pair)["AP"] for pair in zip(maps["msp"], labels, strict=True)]
    order = np.argsort(ap)
    for result in everything[0][:2]:
        for kind, expected in (("worst", order[:3]), ("best", order[::-1][:3])):
            frames = result.frames[kind]
            assert [frame.image for frame in frames] == [images_of(files)[i] for i in expected]
            for frame, index in zip(frames, expected, strict=True):
                np.testing.assert_array_equal(frame.score, maps["msp"][index])
                np.testing.assert_array_equal(frame.label, labels[index])
                assert frame.caption.endswith(f"AP {100 * ap[index]:.1f} %")


def test_component_figures_at_the_best_f1(files, everything):
    own, objects, _ = everything[0]
    assert "sIoU" not in own.figures["msp"]
    maps, labels = all_pixels(files)
    for name in SCORES:
        threshold = objects.figures[name]["F1-threshold"]
        counts = [
            component_counts(score, label, threshold, ComponentSizes(3, 2))
            for score, label in zip(maps[name], labels, strict=True)
        ]
        expected = component_figures(ComponentCounts.total(counts))
        assert {key: objects.figures[name][key] for key in expected} == expected
        assert 0 < expected["sIoU"] < 1


def test_closed_set_figures_are_those_of_the_metric(files, everything):
    own, objects, others = everything[0]
    assert others.closed_set is None
    assert own.closed_set == objects.closed_set
    loaded = load(files.config, files.checkpoint, SCORES, "cpu")
    metric = OpenSetMetric()
    (benchmark,) = find_benchmarks(["test"], loaded)
    data = BenchmarkData(benchmark, loaded)
    metric.dataset_meta = dict(classes=data.classes)
    for index in range(len(data)):
        batch = {key: [value] for key, value in data[index].items()}
        with torch.no_grad():
            metric.process({}, [sample.to_dict() for sample in loaded.model.test_step(batch)])
    expected = metric.evaluate(len(data))
    for key, value in own.closed_set.items():
        assert value == pytest.approx(expected[key], abs=0.005), key
    for name in SCORES:
        for key in ("AUROC", "AP", "FPR95"):
            assert round(100 * own.figures[name][key], 4) == expected[f"{name}/{key}"]


def test_the_folder_afterwards(files, everything):
    _, out = everything
    for name in ("test", "objects", "others"):
        assert len(list((out / name / "parts").iterdir())) == 1
        assert not (out / name / "maps").exists()
    record = json.loads((out / "run.json").read_text())
    assert record["scores"] == SCORES and record["batch_size"] == 1
    assert record["versions"]["torch"] == torch.__version__
    assert {n: (d["protocol"], d["version"]) for n, d in record["datasets"].items()} == {
        "test": ("custom", 0),
        "objects": ("custom", 0),
        "others": ("custom", 0),
    }


def test_batches_and_workers_change_nothing(files, everything, tmp_path):
    config = load_config(
        files.config, {"test_dataloader.batch_size": 2, "test_dataloader.num_workers": 2}
    )
    (result,) = run(files, tmp_path, config=config)
    for name in SCORES:
        assert result.figures[name]["AUROC"] == pytest.approx(
            everything[0][0].figures[name]["AUROC"], abs=1e-6
        )
    assert json.loads((tmp_path / "run.json").read_text())["batch_size"] == 2


def test_a_finished_run_is_resumed_without_its_maps(files, everything, tmp_path):
    """And with all maps, which are predicted again."""
    results, out = everything
    before = report(out)
    frames = run(files, out, ["test", files.objects, files.others], resume=True)[1].frames
    assert report(out) == before and not list(out.rglob("maps"))
    for kind, expected in results[1].frames.items():
        assert [frame.image for frame in frames[kind]] == [frame.image for frame in expected]
        assert np.array_equal(frames[kind][0].score, expected[0].score)
    again = run(files, out, ["test", files.objects, files.others], resume=True, keep_maps=True)
    assert report(out) == before
    assert len(list((out / "test" / "parts").iterdir())) == 1  # nothing was counted twice
    maps, labels = all_pixels(files)
    for name in ("test", "objects"):
        found = sorted((out / name / "maps").glob("*_score_energy.npy"))
        assert len(found) == len(labels)
        for path, expected in zip(found, maps["energy"], strict=True):
            value = np.load(path)
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, expected)
    for one, other in zip(results, again, strict=True):
        assert one.histograms == other.histograms


def test_only_the_maps_of_frames_are_kept_meanwhile(files, tmp_path, monkeypatch):
    """With one best and one worst image, the disk never holds more than two of five."""
    from mmosr.benchmark.pixels import dataset_run, maps

    monkeypatch.setattr(maps, "FRAMES", 1)
    seen = []
    original = dataset_run.PartWriter.add

    def add(self, *arguments):
        folder = tmp_path / "out" / "test" / "maps"
        seen.append(len(list(folder.glob("*_label.npy"))) if folder.exists() else 0)
        return original(self, *arguments)

    monkeypatch.setattr(dataset_run.PartWriter, "add", add)
    run(files, tmp_path / "out")
    assert seen[0] == 0 and max(seen) == 2 and len(seen) == 5


def test_maps_of_a_data_set_go_before_the_next_one(files, tmp_path, monkeypatch):
    """All but those of the frames, which the report at the end needs."""
    from mmosr.benchmark.pixels import maps

    monkeypatch.setattr(maps, "FRAMES", 1)
    root = tmp_path / "scenes"
    shutil.copytree(files.scenes, root)
    sorted((root / "leftImg8bit" / "test").rglob("*.png"))[0].write_bytes(b"no image")
    damaged = tmp_path / "damaged.py"
    damaged.write_text(files.objects.read_text().replace(str(files.scenes), str(root)))
    with pytest.raises(InputError, match="demo_000000"):
        run(files, tmp_path / "out", [files.objects, damaged])
    left = {path.name.split("_")[0] for path in (tmp_path / "out/objects/maps").iterdir()}
    assert len(left) == 2


def test_images_of_different_sizes_in_a_batch(files, tmp_path):
    import cv2

    folder = tmp_path / "mixed"
    for kind, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelTrainIds")):
        (folder / kind / "test").mkdir(parents=True)
        for number, size in enumerate([(40, 20), (64, 32), (40, 20)]):
            source = sorted((files.scenes / kind / "test").rglob(f"*_{suffix}.png"))[number]
            picture = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / kind / "test" / f"a{number}_{suffix}.png"), picture)
    results = []
    for batch in (1, 3):
        options = {"test_dataloader.batch_size": batch}
        options["test_dataloader.dataset.data_root"] = str(folder)
        pipeline = "test_dataloader.dataset.pipeline"
        config = load_config(files.config, options)
        steps = config.test_dataloader.dataset.pipeline
        config.merge_from_dict({pipeline: [s for s in steps if s.type != "Resize"]})
        out = tmp_path / str(batch)
        results += run(files, out, scores=["msp"], config=config)
    assert results[0].images == results[1].images == 3
    assert results[0].histograms == results[1].histograms


def test_anomaly_only_data_and_data_without_unknown_pixels(files, tmp_path):
    """Labels are known, unknown or ignored; there is no mIoU, whatever the classes are called."""
    import cv2

    root = tmp_path / "road"
    (root / "images").mkdir(parents=True)
    (root / "labels_masks").mkdir()
    maps, labels = all_pixels(files)
    for image, label in zip(images_of(files), labels, strict=True):
        cv2.imwrite(str(root / "images" / f"{image.stem}.png"), cv2.imread(str(image)))
        raw = np.select([label == 254, label == 255], [1, 255], 0).astype(np.uint8)
        cv2.imwrite(str(root / "labels_masks" / f"{image.stem}_labels_semantic.png"), raw)
    init_default_scope("mmseg")
    road = tmp_path / "road.py"
    dataset = f"dict(type='mmosr.RoadAnomaly21Dataset', data_root={str(root)!r})"
    road.write_text(f"benchmark = dict(components=dict(predicted=3, true=2), dataset={dataset})")
    (result,) = run(files, tmp_path / "out", [road])
    assert result.closed_set is None
    expected = expected_figures(maps["energy"], labels)
    assert result.figures["energy"]["AP"] == pytest.approx(expected["AP"], abs=1e-9)
    for path in (root / "labels_masks").iterdir():
        cv2.imwrite(str(path), np.zeros((32, 64), np.uint8))
    (result,) = run(files, tmp_path / "known", [road])
    assert result.unknown == 0 and result.known == labels.size
    figures = result.figures["msp"]
    assert all(math.isnan(figures[key]) for key in ("AUROC", "AP", "sIoU", "F1*"))
    assert result.frames == {"best": [], "worst": []}
