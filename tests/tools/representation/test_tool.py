"""tools/analysis_tools/representation.py end to end, on a tiny model and images made here."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from representation_run import measurements as measuring
from sklearn.metrics import davies_bouldin_score, roc_auc_score

from mmosr.analysis import SPACES, UNITS, bhattacharyya_coefficient
from tests.in_process import load_tool, run_in_process

from .case import (
    NAMES,
    TOOL,
    arguments,
    inputs,
    jacobian_norms,
    make,
    rows,
    run,
    unit_features,
    value,
    write_case,
)

TABLES = ("jacobian_norm", "distances", "tsne", "interpolation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("representation"))


@pytest.fixture(scope="module")
def model(folder):
    return make(folder)


@pytest.fixture(scope="module")
def finished(folder):
    """The output of the tool with exact norms."""
    out = folder / "out"
    assert run_in_process(*arguments(folder, out, "--exact")) == 0
    return out


def test_exact(model, finished):
    record = json.loads((finished / "representation.json").read_text())
    table = rows(finished / "jacobian_norm.csv")
    names, labels = [row["image"] for row in table], np.array([int(row["label"]) for row in table])
    # Half known in equal parts, half unknown in equal parts.
    folders = [name.split("/")[-2] for name in names]
    assert {name: folders.count(name) for name in NAMES} == dict(ant=4, bee=4, dog=4, cow=6, eel=6)
    expected = [["ant", "bee", "dog"].index(f) if f in "ant bee dog" else -1 for f in folders]
    assert labels.tolist() == expected
    assert record["images"]["by_class"]["dog"] == {"drawn": 4, "of": 7}
    assert record["images"]["by_class"]["unknown"] == {"drawn": 12, "of": 14}
    assert [row["class"] for row in table] == [
        f if label >= 0 else "unknown" for f, label in zip(folders, labels, strict=True)
    ]

    batch = inputs(model, names)
    norm = jacobian_norms(model, batch)
    np.testing.assert_allclose([float(row["norm"]) for row in table], norm, rtol=1e-5)
    known = labels >= 0
    difference = norm[~known].mean() - norm[known].mean()
    assert value(record, "jacobian_norm_difference") == pytest.approx(difference, rel=1e-4)
    error = np.hypot(norm[~known].std(ddof=1), norm[known].std(ddof=1)) / np.sqrt(12)
    figure = record["figures"]["jacobian_norm_difference"]
    assert figure["standard_error"] == pytest.approx(error, rel=1e-4)
    assert value(record, "jacobian_norm_auroc") == pytest.approx(roc_auc_score(~known, norm))

    with torch.no_grad():
        values = unit_features(model, batch).numpy()
        predicted = model.logits_function(batch).argmax(1).numpy()
    assert [int(row["predicted"]) for row in table] == predicted.tolist()
    assert value(record, "accuracy") == pytest.approx((predicted == labels)[known].mean())
    index = davies_bouldin_score(values[known], labels[known])
    assert value(record, "davies_bouldin_index") == pytest.approx(index, rel=1e-5)


def test_distances_to_the_centres_of_the_training_images(folder, model, finished):
    centres = []
    for label, name in enumerate(["ant", "bee", "dog"]):
        batch = inputs(model, sorted(map(str, (folder / "train" / name).iterdir())))
        with torch.no_grad():
            values = unit_features(model, batch).double().numpy()
            correct = model.logits_function(batch).argmax(1).numpy() == label
        centres.append(values[correct if correct.any() else slice(None)].mean(0))
    table = rows(finished / "distances.csv")
    with torch.no_grad():
        values = unit_features(model, inputs(model, [row["image"] for row in table])).numpy()
    distances = np.linalg.norm(values[:, None] - np.stack(centres), axis=2)
    found = np.array([float(row["distance"]) for row in table])
    np.testing.assert_allclose(found, distances.min(1), rtol=1e-5)
    assert [int(row["closest"]) for row in table] == distances.argmin(1).tolist()
    known = np.array([int(row["label"]) >= 0 for row in table])
    record = json.loads((finished / "representation.json").read_text())
    overlap = bhattacharyya_coefficient(found[known], found[~known])
    assert value(record, "bhattacharyya_coefficient") == pytest.approx(overlap)
    assert "correctly classified known images of the train data" in record["distances"]


def test_interpolations(model, finished):
    norm = {row["image"]: row["norm"] for row in rows(finished / "jacobian_norm.csv")}
    table = rows(finished / "interpolation.csv")
    assert [float(row["t"]) for row in table] == pytest.approx([0, 1 / 3, 2 / 3, 1] * 3)
    for row in table:
        assert row["from_class"] != row["to_class"] and "unknown" not in row.values()
        t = float(row["t"])
        if t in (0, 1):
            assert row["norm"] == norm[row["to_image" if t else "from_image"]]
        first, second = inputs(model, [row["from_image"], row["to_image"]])
        expected = jacobian_norms(model, ((1 - t) * first + t * second)[None])
        assert float(row["norm"]) == pytest.approx(expected.item(), rel=1e-4)


def test_pictures_and_map(finished):
    for name in TABLES:
        picture = cv2.imread(str(finished / f"{name}.png"))
        assert picture.shape[0] > 500 and picture.std() > 5
    table = rows(finished / "tsne.csv")
    points = np.array([[float(row["x"]), float(row["y"])] for row in table])
    assert points.shape == (24, 2) and (points.std(0) > 0).all()


def test_resumed_run_measures_the_rest_and_gives_the_same(
    call, folder, finished, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    journal = out / "measurements.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 24 + 6  # the run, the images, two inner steps of three pairs
    journal.write_text("".join(lines[:21]) + lines[21][:20])
    for name in TABLES:
        (out / f"{name}.csv").unlink()
    measured = []
    exact = measuring.exact_squared_norm

    def count(function, batch, scale):
        measured.append(len(batch))
        return exact(function, batch, scale)

    monkeypatch.setattr(measuring, "exact_squared_norm", count)
    run(call, folder, out, "--exact", "--resume")
    assert sum(measured) == 4 + 6
    for name in TABLES:
        before, after = (rows(root / f"{name}.csv") for root in (finished, out))
        for one, other in zip(before, after, strict=True):
            assert one.keys() == other.keys()
            for key in one:
                if key in ("norm", "standard_error", "squared_norm"):  # other batches: rounding
                    assert float(one[key]) == pytest.approx(float(other[key]), rel=1e-5)
                else:
                    assert one[key] == other[key]
    # nothing is measured for a finished run
    measured.clear()
    run(call, folder, out, "--exact", "--resume")
    assert not measured


def test_another_run_is_not_resumed(call, folder, finished):
    before = (finished / "representation.json").read_text()
    status, err = call(*arguments(folder, finished, "--exact", "--resume", "--seed", 1))
    assert status == 1 and "differs in list of images, seed" in err.splitlines()[-1]
    assert (finished / "representation.json").read_text() == before


def test_probes_estimate_the_exact_norms(call, folder, finished, tmp_path):
    record = run(call, folder, tmp_path, "--probes", 400, "--interpolations", 0)
    exact, found = (rows(root / "jacobian_norm.csv") for root in (finished, tmp_path))
    for one, other in zip(exact, found, strict=True):
        gap = float(one["squared_norm"]) - float(other["squared_norm"])
        assert 0 < abs(gap) < 4.5 * float(other["squared_standard_error"])
    assert "400 Rademacher probes" in record["jacobian"]["method"]
    assert value(record, "interpolation_length") is None
    assert not (tmp_path / "interpolation.csv").exists()


def test_known_images_only_and_pixels(call, folder, finished, tmp_path):
    record = run(
        *(call, folder, tmp_path, "--exact", "--data-part", "train", "--max-images", 12),
        *("--units", "pixel", "--interpolations", 0),
    )
    assert record["images"]["unknown"] == 0 and record["images"]["known"] == 12
    for name in ("jacobian_norm_unknown", "jacobian_norm_difference", "bhattacharyya_coefficient"):
        assert value(record, name) is None
    before = json.loads((finished / "representation.json").read_text())
    ratio = value(record, "jacobian_norm_known") / value(before, "jacobian_norm_known")
    assert 255 / 60 * 0.5 < ratio < 255 / 40 * 2


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--probes", "1"], "--probes 1: the minimum is 2"),
        (["--steps", "2"], "--steps 2: the minimum is 3"),
        (["--max-images", "11"], "11 images are too few for 3 known classes: use 12"),
        (["--centre-images", "5"], "5 images are too few"),
        (["--data-part", "val"], "no val_dataloader"),
        (["--cfg-options", "test_dataloader.dataset.data_root=nowhere"], "nowhere"),
        (["--cfg-options", "test_dataloader.dataset.unknown_classes=['cow','fox']"], "fox"),
        (["--cfg-options", "model.head.num_classes=2"], "is for another model"),
        (["--cfg-options", "model.type=mmosr.OpenSetEncoderDecoder"], "cannot be built"),
    ],
)
def test_bad_input(call, folder, tmp_path, more, text):
    status, err = call(*arguments(folder, tmp_path / "out", *more))
    assert status == 1
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert text in line and "Traceback" not in err
    assert not (tmp_path / "out" / "representation.json").exists()


def test_out_is_a_file_and_labels_that_the_model_does_not_have(call, folder, tmp_path):
    (tmp_path / "file").write_text("")
    status, err = call(*arguments(folder, tmp_path / "file"))
    assert status == 1 and "is a file: choose a folder" in err
    text = (folder / "movr.py").read_text()
    text += (
        f"test_dataloader['dataset'] = dict(type='CustomDataset', data_root='{folder}', "
        "data_prefix='test', pipeline=steps)\n"
    )
    (tmp_path / "plain.py").write_text(text)
    arguments_ = (TOOL, tmp_path / "plain.py", folder / "movr.pth", "--out-dir", tmp_path / "out")
    status, err = call(*arguments_)
    assert status == 1 and "has label 3, but the model has the classes 0 to 2" in err


def test_images_of_different_sizes(call, folder, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(folder / "test", root / "test")
    for path in (root / "test" / "ant").iterdir():
        cv2.imwrite(str(path), np.zeros((9, 8, 3), np.uint8))
    option = f"test_dataloader.dataset.data_root={root}"
    status, err = call(*arguments(folder, tmp_path / "out", "--cfg-options", option))
    assert status == 1 and "images of sizes (3, 8, 8) and (3, 9, 8)" in err


def test_choices_are_those_of_the_analysis():
    tool = load_tool(TOOL)
    assert (tool.SPACES, tool.UNITS) == (SPACES, UNITS)
