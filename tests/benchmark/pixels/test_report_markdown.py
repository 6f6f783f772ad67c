"""The report as markdown: its tables, and what it says."""

import dataclasses
import re

import numpy as np
import pytest

from mmosr.benchmark.pixels.protocols import custom_protocol, load_protocol
from mmosr.benchmark.pixels.report import write_report

from .made_results import RUN, expected, make, samples, strict_json


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
