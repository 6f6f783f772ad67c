"""The report of hand-made results: every number against scikit-learn, every file read again."""

import csv

import cv2
import numpy as np
import pytest

from mmosr.benchmark.pixels.protocols import load_protocol
from mmosr.benchmark.pixels.report import file_names, score_limits, write_report
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.visualization import draw_frames, draw_score_histogram, write_figure

from .made_results import RUN, expected, make, samples, strict_json


def test_files(written):
    out, _, files = written
    names = [path.relative_to(out).as_posix() for path in files]
    own = ["per_image.csv", "roc.png", "pr.png", "histogram_good.png", "histogram_odd_name.png"]
    assert names[:3] == ["benchmark.json", "benchmark.csv", "benchmark.md"]
    assert set(names[3:]) == {
        *(f"road_anomaly/{name}" for name in [*own, "best.png", "worst.png"]),
        *(f"mine/{name}" for name in own),
    }
    assert all(path.stat().st_size > 0 for path in files)
    assert not list(out.rglob(".*"))
    pictures = {path.name: cv2.imread(str(path)) for path in files if path.suffix == ".png"}
    assert all(picture.std() > 1 for picture in pictures.values())


def test_pictures_show_threshold_and_common_range(written, tmp_path):
    out, (road, _), _ = written
    expected = tmp_path / "expected.png"
    scores, good = samples()[1], road.histograms["good"]
    threshold = road.figures["good"]["F1-threshold"]
    write_figure(draw_score_histogram(good, "road_anomaly: good", threshold), expected)
    assert expected.read_bytes() == (out / "road_anomaly/histogram_good.png").read_bytes()
    limits = tuple(np.percentile(scores["good"], [1, 99], method="inverted_cdf").astype(float))
    for kind, frames in road.frames.items():
        figure = draw_frames(frames, f"road_anomaly: {kind} by AP of good", limits)
        write_figure(figure, expected)
        assert expected.read_bytes() == (out / f"road_anomaly/{kind}.png").read_bytes()


def test_json_has_scikit_learns_figures_unrounded(written):
    content = strict_json(written[0] / "benchmark.json")
    assert content["run"] == RUN and content["format"] == 1
    road, own = content["datasets"]
    for entry, (unknown, scores), tolerance in ((road, samples(), 1e-9), (own, samples(1), 0.5)):
        for name, values in scores.items():
            found = entry["scores"][name]["figures"]
            for key, value in expected(unknown, values).items():
                assert found[key] == pytest.approx(value, abs=tolerance), key
        assert entry["pixels"] == {
            "known": int((~unknown).sum()),
            "unknown": int(unknown.sum()),
            "ignored": 1000,
        }
        assert entry["images"] == 7


def test_json_names_protocol_and_rules(written):
    road, own = strict_json(written[0] / "benchmark.json")["datasets"]
    protocol = load_protocol("road_anomaly")
    assert road["name"] == "road_anomaly" and road["closed_set"] is None
    assert road["protocol"]["identifier"] == "road_anomaly"
    assert road["protocol"]["version"] == 1 and road["protocol"]["components"] is None
    assert road["protocol"]["rules"] == protocol.rules
    assert len(road["published"]) == 10
    assert road["published"][7]["method"] == "L-GMM-SegFormer"
    assert [road["published"][7][key] for key in ("AUROC", "AP", "FPR95")] == [89.41, 58.13, 45.29]
    assert road["published"][9]["AUROC"] is None
    assert own["protocol"]["identifier"] == "custom" and own["protocol"]["version"] == 0
    assert own["protocol"]["components"] == {"predicted": 3, "true": 2}
    assert own["published"] == [] and "sIoU" in own["protocol"]["rules"]


def test_nan_is_null_in_json(written):
    own = strict_json(written[0] / "benchmark.json")["datasets"][1]
    assert own["closed_set"] == {"aAcc": 91.23456, "mIoU": 42.5, "mAcc": None}
    assert own["scores"]["odd|name"]["figures"]["PPV"] is None
    assert own["scores"]["odd|name"]["figures"]["sIoU"] == 40
    assert own["scores"]["good"]["figures"]["F1*"] == 12.5


def test_json_bounds_hold_the_exact_figures(written):
    road, own = strict_json(written[0] / "benchmark.json")["datasets"]
    assert road["scores"]["good"]["histogram_bits"] == 32
    assert own["scores"]["good"]["histogram_bits"] < 32
    unknown, scores = samples(1)
    for name, values in scores.items():
        exact = expected(unknown, values)
        for key, (low, high) in own["scores"][name]["bounds"].items():
            assert low <= exact[key] <= high and high - low < 3
    low, high = road["scores"]["good"]["bounds"]["AP"]
    assert low == high == road["scores"]["good"]["figures"]["AP"]


def test_csv(written):
    out, results, _ = written
    with (out / "benchmark.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    content = strict_json(out / "benchmark.json")["datasets"]
    assert [(row["dataset"], row["score"]) for row in rows] == [
        (result.name, score) for result in results for score in result.figures
    ]
    for row in rows:
        entry = next(entry for entry in content if entry["name"] == row["dataset"])
        found = entry["scores"][row["score"]]
        for key, value in found["figures"].items():
            assert row[key] == ("" if value is None else repr(value))
        for key, (low, high) in found["bounds"].items():
            assert (float(row[f"{key}_low"]), float(row[f"{key}_high"])) == (low, high)
        assert row["protocol"] == entry["protocol"]["identifier"]
        assert int(row["protocol_version"]) == entry["protocol"]["version"]
        assert int(row["unknown"]) == entry["pixels"]["unknown"]
        assert int(row["known"]) == entry["pixels"]["known"]
        assert (row["images"], row["ignored"]) == ("7", "1000")
        assert int(row["histogram_bits"]) == found["histogram_bits"]
        assert row["config_sha256"] == RUN["config_sha256"]
        assert row["checkpoint_sha256"] == RUN["checkpoint_sha256"]
        assert (row["mmosr_version"], row["torch_version"]) == ("0.1.0", "2.15.0+cpu")
    assert rows[0]["sIoU"] == rows[0]["mIoU"] == ""
    assert (rows[2]["sIoU"], rows[2]["mIoU"], rows[2]["mAcc"]) == ("50.0", "42.5", "")


def test_csv_of_images(written):
    with (written[0] / "mine/per_image.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == 2 * ["/data/a, b.png"]
    # Unknown 5 and 3, known 4, 2, 1: 5 of 6 pairs; precision 1 and 2/3; F1 4/5 at 3.
    assert float(rows[0]["AUROC"]) == pytest.approx(500 / 6)
    assert float(rows[0]["AP"]) == pytest.approx(250 / 3)
    assert float(rows[0]["FPR95"]) == pytest.approx(100 / 3)
    assert (float(rows[0]["F1"]), float(rows[0]["F1-threshold"])) == (80, 3)
    assert (rows[1]["unknown"], rows[1]["AP"], rows[1]["F1-threshold"]) == ("0", "", "")


def test_a_second_report_replaces_the_first(written, tmp_path):
    unknown, scores = samples()
    for name in ("old", "new"):
        result = make("camvid", load_protocol("camvid"), unknown, {name: scores["good"]})
        write_report(tmp_path, [result], RUN)
    assert list(strict_json(tmp_path / "benchmark.json")["datasets"][0]["scores"]) == ["new"]


def test_file_names():
    assert file_names(["msp", "a/b", "a b", "A_b", "a_b_2", "../x"]) == {
        "msp": "msp",
        "a/b": "a_b",
        "a b": "a_b_2",
        "A_b": "A_b_3",
        "a_b_2": "a_b_2_2",
        "../x": ".._x",
    }


def test_score_limits_are_percentiles_of_all_pixels():
    scores = np.arange(1000, dtype=np.float32)
    expected = np.percentile(scores, [1, 99], method="inverted_cdf")
    histogram = ScoreHistogram.from_scores(scores, scores > 900, None)
    assert score_limits(histogram) == tuple(expected)
    low, high = score_limits(ScoreHistogram.from_scores(np.full(9, 7.0), np.arange(9) > 5))
    assert low == 7 and 7 < high < 7.1
