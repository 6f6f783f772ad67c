"""The report in the terminal, and which scores are best."""

import copy
import io
import math

from rich.console import Console

from mmosr.benchmark.pixels.protocols import custom_protocol
from mmosr.benchmark.pixels.tables import best_scores, print_tables

from .made_results import expected, make, samples


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
