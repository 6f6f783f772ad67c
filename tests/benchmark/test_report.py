"""The report of hand-made results: every number against scikit-learn, every file read again."""

import copy
import csv
import dataclasses
import io
import json
import math
import re

import cv2
import numpy as np
import pytest
from rich.console import Console
from sklearn import metrics as sk

from mmosr.benchmark.report import file_names, print_tables, score_limits, write_report
from mmosr.benchmark.result import DatasetResult
from mmosr.benchmark.tables import best_scores, code, plain
from mmosr.evaluation.components import ComponentSizes
from mmosr.evaluation.curves import figures
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.evaluation.protocols import custom_protocol, load_protocol
from mmosr.visualization import plot_score_histogram
from mmosr.visualization.frames import Frame, draw_frames

RUN = {
    "config": "configs/my_model.py",
    "config_sha256": "c0ffee" + 58 * "1",
    "checkpoint": "iter_1000.pth",
    "checkpoint_sha256": "abcdef" + 58 * "2",
    "scores": ["good", "odd|name"],
    "versions": {"mmosr": "0.1.0", "torch": "2.15.0+cpu"},
}
LABEL = np.array([[0, 254, 254], [255, 0, 0]], np.uint8)
COMPONENTS = {
    "good": {"sIoU": 0.5, "PPV": 0.25, "F1*": 0.125},
    "odd|name": {"sIoU": 0.4, "PPV": math.nan, "F1*": 0.25},
}


def samples(seed=0, size=4000):
    """Truth, and a good and a bad score; the last has more float32 values than 512 cells."""
    rng = np.random.default_rng(seed)
    unknown = rng.random(size) < 0.1
    good = (rng.normal(size=size) + 2 * unknown).astype(np.float32)
    bad = (100 + rng.normal(size=size) + 0.5 * unknown).astype(np.float32)
    return unknown, {"good": good, "odd|name": bad}


def frame(folder, ap):
    path = folder / f"image {ap}.png"
    cv2.imwrite(str(path), np.full((2, 3, 3), 90, np.uint8))
    return Frame(path, LABEL, np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), f"AP {ap} %")


def make(name, protocol, unknown, scores, *, max_cells=None, closed_set=None, frames=None, **more):
    histograms = {
        key: ScoreHistogram.from_scores(values, unknown, max_cells)
        for key, values in scores.items()
    }
    first = next(iter(scores))
    image = {"image": "/data/a, b.png", "score": first, "known": 3, "unknown": 2}
    return DatasetResult(
        name=name,
        protocol=protocol,
        images=7,
        known=int((~unknown).sum()),
        unknown=int(unknown.sum()),
        ignored=1000,
        closed_set=closed_set,
        histograms=histograms,
        figures={key: {**figures(h), **more.get(key, {})} for key, h in histograms.items()},
        per_image=[
            {**image, **figures(ScoreHistogram.from_scores([5, 3, 4, 2, 1], [1, 1, 0, 0, 0]))},
            {**image, "unknown": 0, **figures(ScoreHistogram.from_scores([1, 2, 3], [0, 0, 0]))},
        ],
        frames=frames or {"best": [], "worst": []},
    )


def expected(unknown, score):
    """scikit-learn's figures in percent."""
    fpr, tpr, _ = sk.roc_curve(unknown, score, drop_intermediate=False)
    precision, recall, thresholds = sk.precision_recall_curve(unknown, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    accepted, rejected, _ = sk.roc_curve(~unknown, -score, drop_intermediate=False)[:3]
    return {
        "AUROC": 100 * sk.roc_auc_score(unknown, score),
        "AP": 100 * sk.average_precision_score(unknown, score),
        "AUPR-In": 100 * sk.average_precision_score(~unknown, -score),
        "FPR95": 100 * fpr[np.argmax(tpr >= 0.95)],
        "TNR95": 100 * (1 - accepted[np.argmax(rejected >= 0.95)]),
        "F1": 100 * f1.max(),
        "F1-threshold": thresholds[np.argmax(f1)],
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report of a data set with published results and of one of the user's own."""
    out = tmp_path_factory.mktemp("report")
    frames = {"best": [frame(out, 90)], "worst": [frame(out, 10), frame(out, 20)]}
    unknown, scores = samples()
    road = make("road_anomaly", load_protocol("road_anomaly"), unknown, scores, frames=frames)
    own = make(
        "mine",
        custom_protocol("my | roads", "mine.py", ComponentSizes(3, 2)),
        *samples(1),
        max_cells=512,
        closed_set={"aAcc": 91.23456, "mIoU": 42.5, "mAcc": math.nan},
        **COMPONENTS,
    )
    return out, [road, own], write_report(out, [road, own], RUN)


def strict_json(path):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def tables(text):
    """Tables of a markdown text: lists of rows, each a list of cells without escapes."""
    found = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found[-1].append([re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells])
        elif found[-1]:
            found.append([])
    found = [table for table in found if table]
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert all(re.fullmatch(":?-+:?", cell) for cell in table[1])
    return [[table[0], *table[2:]] for table in found]


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
    plot_score_histogram(good, expected, "road_anomaly: good", road.figures["good"]["F1-threshold"])
    assert expected.read_bytes() == (out / "road_anomaly/histogram_good.png").read_bytes()
    limits = tuple(np.percentile(scores["good"], [1, 99], method="inverted_cdf").astype(float))
    for kind, frames in road.frames.items():
        draw_frames(frames, expected, f"road_anomaly: {kind} by AP of good", limits)
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


HEADER = ["AUROC ↑", "AP ↑", "AUPR-In ↑", "FPR95 ↓", "TNR95 ↑", "F1 ↑", "F1-threshold"]


def test_markdown_tables(written):
    text = (written[0] / "benchmark.md").read_text(encoding="utf-8")
    run, road, published, own = tables(text)
    assert ["config", "`configs/my_model.py`, SHA-256 `c0ffee111111`"] in run
    assert ["checkpoint", "`iter_1000.pth`, SHA-256 `abcdef222222`"] in run
    assert ["versions", "mmosr 0.1.0, torch 2.15.0+cpu"] in run

    assert road[0] == ["score", *HEADER]
    assert [row[0] for row in road[1:]] == ["`good`", "`odd|name`"]
    unknown, scores = samples()
    for row, values in zip(road[1:], scores.values(), strict=True):
        *percent, threshold = expected(unknown, values).values()
        assert [cell.strip("*") for cell in row[1:-1]] == [f"{x:.2f}" for x in percent]
        assert row[-1] == f"{threshold:.5g}"
    assert own[0] == ["score", *HEADER, "sIoU ↑", "PPV ↑", "F1* ↑"]
    assert own[1][-3:] == ["**50.00**", "25.00", "12.50"]
    assert own[2][-3:] == ["40.00", "–", "**25.00**"]

    assert published[0][:4] == ["published method", "AUROC ↑", "AP ↑", "FPR95 ↓"]
    for row, entry in zip(published[1:], load_protocol("road_anomaly").published, strict=True):
        values = [entry.AUROC, entry.AP, entry.FPR95]
        assert row[:4] == [entry.method, *("–" if x is None else f"{x:.2f}" for x in values)]
        assert row[4] == (entry.backbone or "–")
        assert row[5:7] == 2 * ["yes" if entry.unknown_data else "no"]
        assert entry.source in row[7]
    assert "**Published**" in text


def test_bold_is_the_best(written):
    _, road, _, _ = tables((written[0] / "benchmark.md").read_text(encoding="utf-8"))
    good, bad = road[1][1:], road[2][1:]
    assert float(good[3].strip("*")) < float(bad[3].strip("*"))  # FPR95: lower is better
    assert all(cell.startswith("**") for cell in good[:6])
    assert not any("*" in cell for cell in [good[6], *bad])


def test_markdown_says_what_was_measured(written):
    text = (written[0] / "benchmark.md").read_text(encoding="utf-8")
    unknown = int(samples()[0].sum())
    share = f"{unknown / 40:.3g}"
    assert f"7 images, 5,000 pixels: 1,000 ignored; of the others {unknown} ({share} %)" in text
    assert "Protocol `road_anomaly`, version 1." in text
    assert "Protocol `custom`, version 0." in text
    assert "Known: label 0. Unknown: labels of 2 and above" in text
    assert "Known, unknown, ignored: as the labels of the data set say." in text
    assert "## mine: my \\| roads" in text
    assert "Closed set, on known pixels: aAcc 91.23, mIoU 42.50, mAcc –." in text
    assert "count: 3 pixels (predicted), 2 (true)." in text
    assert text.count("[^rules]") == 2 and text.count("\n[^rules]: ") == 1
    note = text.split("\n[^rules]: ")[1]
    assert "FPR95: false positive rate at the first threshold" in note and "sIoU: " in note
    links = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert "road_anomaly/worst.png" in links and "mine/histogram_odd_name.png" in links
    assert len(links) == 10 and all((written[0] / link).is_file() for link in links)


def test_markdown_says_how_exact_it_is(written):
    text = (written[0] / "benchmark.md").read_text(encoding="utf-8")
    road, own = text.split("## ")[1:]
    assert "Every float32 score is counted exactly." in road
    scores = strict_json(written[0] / "benchmark.json")["datasets"][1]["scores"].values()
    widest = max(entry["bounds"]["AP"][1] - entry["bounds"]["AP"][0] for entry in scores)
    bits = min(entry["histogram_bits"] for entry in scores)
    assert f"by their {bits} leading float32 bits or more" in own
    assert f"AP {widest:.2g}," in own


@pytest.mark.parametrize(("truth", "said"), [(False, "no unknown pixels"), (True, "no known")])
def test_one_kind_of_pixels_alone(tmp_path, truth, said):
    unknown = np.full(4, truth)
    scores = {"one": np.arange(4, dtype=np.float32), "two": np.ones(4, np.float32)}
    result = make("road", load_protocol("fishyscapes_static"), unknown, scores)
    files = write_report(tmp_path, [result], RUN)
    assert [path.name for path in files] == [
        "benchmark.json",
        "benchmark.csv",
        "benchmark.md",
        "per_image.csv",
    ]
    text = files[2].read_text(encoding="utf-8")
    assert said in text and "no curve" in text and "![" not in text
    assert tables(text)[1][1][1:6] == 5 * ["–"]
    (entry,) = strict_json(files[0])["datasets"]
    assert entry["scores"]["one"]["figures"]["AUROC"] is None
    assert entry["scores"]["one"]["bounds"]["AUROC"] == [None, None]


def test_a_single_score_is_not_bold(tmp_path):
    unknown, scores = samples()
    result = make("camvid", load_protocol("camvid"), unknown, {"good": scores["good"]})
    write_report(tmp_path, [result], RUN)
    text = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "**" not in text and "Bold" not in text and "Published" not in text


def test_what_is_ignored_is_said_even_when_the_others_are_alike(tmp_path):
    protocol = dataclasses.replace(custom_protocol("x"), ignored="void | sky")
    write_report(tmp_path, [make("x", protocol, *samples())], RUN)
    text = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "Unknown: as the labels of the data set say. Ignored: void \\| sky." in text


def test_a_second_report_replaces_the_first(written, tmp_path):
    unknown, scores = samples()
    for name in ("old", "new"):
        result = make("camvid", load_protocol("camvid"), unknown, {name: scores["good"]})
        write_report(tmp_path, [result], RUN)
    assert list(strict_json(tmp_path / "benchmark.json")["datasets"][0]["scores"]) == ["new"]


def test_best_scores():
    unknown, scores = samples()
    result = make("x", custom_protocol("x"), unknown, {**scores, "third": scores["good"]})
    result.figures["third"]["AP"] += 4e-6  # unequal, but not in the table
    assert best_scores(result, "AP") == best_scores(result, "FPR95") == {"good", "third"}
    result.figures["third"]["FPR95"] -= 0.01
    result.figures["third"]["AUROC"] = math.nan
    assert best_scores(result, "FPR95") == {"third"}
    assert best_scores(result, "AUROC") == {"good"}
    assert best_scores(result, "F1-threshold") == set()


def test_terminal_tables(written):
    console = Console(width=160, record=True, file=io.StringIO())
    print_tables(written[1], console)
    lines = console.export_text(styles=False).splitlines()
    unknown, scores = samples()
    numbers = [f"{x:.2f}" for x in list(expected(unknown, scores["good"]).values())[:-1]]
    rows = [line.split() for line in lines if line.strip().startswith("good")]
    (row,) = [row for row in rows if len(row) == 8]  # the one without component figures
    assert row[1:-1] == numbers
    (row,) = [line.split() for line in lines if "L-GMM-SegFormer" in line]
    assert row == ["L-GMM-SegFormer", "89.41", "58.13", "45.29"]
    place = [line.strip() for line in lines].index("published:")
    assert any("odd|name" in line for line in lines[:place])
    assert not any("L-GMM" in line for line in lines[:place])
    assert any("protocol road_anomaly, version 1" in line for line in lines)
    assert any("mine: my | roads" in line for line in lines)


def test_terminal_tables_keep_numbers_whole(written):
    own = copy.deepcopy(written[1][1])
    own.figures["good"]["F1-threshold"] = -0.123456
    own.figures["mahalanobis_per_class"] = own.figures.pop("good")
    console = Console(width=80, record=True, file=io.StringIO())
    print_tables([own], console)
    text = console.export_text()
    assert "…" not in text
    thresholds = [f"{row['F1-threshold']:.5g}" for row in own.figures.values()]
    numbers = ["50.00", "25.00", "12.50", "40.00", *thresholds]
    assert set(numbers) <= set(text.split())


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


def test_markup_is_escaped():
    assert plain("L*a*b <x> [y](z) road_anomaly _a_ |") == (
        "L\\*a\\*b \\<x> \\[y\\](z) road_anomaly \\_a\\_ \\|"
    )
    assert code("a`b") == "`` a`b ``" and code("a\nb") == "`a b`"
