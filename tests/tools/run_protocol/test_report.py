"""The report of tools/run_protocol.py: means, tables, and the terminal."""

import csv
import json
import os
import re

import numpy as np
import pytest
from rich.console import Console

from mmosr.benchmark.images.report import print_report
from mmosr.benchmark.images.result import summarize


class TestReport:
    def test_mean_and_deviation(self, runs, folder):
        report = json.loads((folder / "out/protocol.json").read_text())
        found = report["methods"]["tiny"]["figures"]
        results = [
            json.loads((folder / f"out/tiny/trial_{trial}/result.json").read_text())
            for trial in (0, 1)
        ]
        for name, value in found.items():
            both = [result["figures"][name] for result in results]
            assert value["mean"] == pytest.approx(np.mean(both), abs=1e-9)
            assert value["std"] == pytest.approx(np.std(both), abs=1e-9)
            assert value["trials"] == {"0": both[0], "1": both[1]}
        assert len({result["figures"]["cac/AUROC"] for result in results}) == 2

    def test_summary(self):
        results = {0: {"figures": {"a/AUROC": 70.0}}, 2: {"figures": {"a/AUROC": 80.0, "b": 1.0}}}
        summary = summarize(results)
        trials = {"0": 70.0, "2": 80.0}
        assert summary["a/AUROC"] == {"mean": 75.0, "std": 5.0, "trials": trials}
        assert summary["b"] == {"mean": 1.0, "std": None, "trials": {"2": 1.0}}

    def test_csv_and_markdown(self, runs, folder):
        figures = runs["second"].results["tiny"]
        values = [figures[trial]["figures"]["msp/AUROC"] for trial in (0, 1)]
        with (folder / "out/protocol.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        own = [r for r in rows if (r["kind"], r["score"], r["figure"]) == ("run", "msp", "AUROC")]
        assert [float(row["mean"]) for row in own] == [pytest.approx(np.mean(values))]
        cac = [r for r in rows if (r["kind"], r["method"]) == ("published", "CAC")]
        assert [(r["figure"], r["mean"], r["std"]) for r in cac] == [("AUROC", "80.1", "3.0")]
        (own,) = [row for row in rows if row["figure"] == "openness"]
        assert float(own["mean"]) == pytest.approx(13.3975, abs=1e-4) and own["trials"] == "2"
        (own,) = [row for row in rows if row["figure"] == "accuracy/top5"]
        top5 = [figures[trial]["figures"]["accuracy/top5"] for trial in (0, 1)]
        assert float(own["mean"]) == pytest.approx(np.mean(top5))
        text = (folder / "out/protocol.md").read_text()
        assert "- openness 13.40 %" in text and "| macro-F1 | accuracy/top5 | trials |" in text
        cell = f"{np.mean(values):.2f} ± {np.std(values):.2f}"
        (row,) = [line for line in text.splitlines() if line.startswith("| tiny | msp |")]
        assert cell in row and row.endswith("| 0, 1 |")
        assert "80.10 ± 3.00" in text and "`cifar10_6-4`, version 1" in text
        for result in figures.values():
            assert result["config_sha256"][:12] in text
            assert result["checkpoint_sha256"][:12] in text
        for part in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):  # the two tables
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in part.splitlines()}) == 1

    def test_terminal(self, runs):
        console = Console(width=160, record=True, file=open(os.devnull, "w"))
        print_report(runs["second"], console)
        text = console.export_text()
        assert "CAC" in text and "80.10 ± 3.00" in text and "M2IOSR, table 4" in text
        mean = np.mean([r["figures"]["sml/AUROC"] for r in runs["second"].results["tiny"].values()])
        assert f"{mean:.2f} ±" in text
