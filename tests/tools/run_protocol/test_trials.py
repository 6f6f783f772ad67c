"""The trials of tools/run_protocol.py: figures, classes, and runs that fail or are killed."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample

from mmosr.benchmark.images import run_protocol
from mmosr.datasets import load_split
from mmosr.engine.checkpoint import load_statistics, read_checkpoint
from mmosr.evaluation import OpenSetRecognitionMetric
from mmosr.evaluation.rejection import macro_f1
from mmosr.runs.hashes import content_hash

from .tiny_protocol import BROKEN, CLASSES, ITERATIONS, SCORES, start


class TestTrials:
    def test_one_that_fails_is_named_and_the_others_stay(self, runs, folder):
        output, errors = runs["texts"]
        assert runs["status"] == 1
        line = next(line for line in output.splitlines() if "failed" in line)
        assert line.startswith("[2/2] tiny, trial 1 failed: ") and BROKEN in line
        assert "1 trials failed: --resume runs them again" in errors
        assert "[1/2] tiny, trial 0: done in" in output and "Traceback" not in errors
        method = runs["report"]["methods"]["tiny"]
        assert method["trials"] == [0] and BROKEN in method["failed"]["1"]
        assert method["figures"]["cac/AUROC"]["std"] is None  # of one trial
        kept = folder / "out/tiny/trial_0/result.json"
        assert runs["kept"] == kept.stat().st_mtime_ns  # the second run has not touched it

    @pytest.mark.parametrize("trial", [0, 1])
    def test_figures_are_those_of_the_checkpoint(self, runs, folder, trial):
        place = folder / f"out/tiny/trial_{trial}"
        result = json.loads((place / "result.json").read_text())
        cfg = Config.fromfile(place / "config.py")
        init_default_scope("mmpretrain")
        model = MODELS.build(cfg.model).eval()
        content = read_checkpoint(place / result["checkpoint"])
        assert content["meta"]["iter"] == ITERATIONS
        model.load_state_dict(content["state_dict"])
        load_statistics(model, content)
        assert model.classifier.fitted and not torch.equal(
            model.classifier.reestimated_anchors, model.classifier.anchors
        )
        split = load_split("protocol_a/cifar10", trial)

        def measure(part, thresholds=None):
            topk = (1, 5) if thresholds else 1
            metric = OpenSetRecognitionMetric(thresholds=thresholds, topk=topk)
            data = DATASETS.build(cfg[f"{part}_dataloader"].dataset)
            for index in range(len(data)):
                path = Path(data.get_data_info(index)["img_path"])
                picture = torch.from_numpy(cv2.imread(str(path))).permute(2, 0, 1)
                with torch.no_grad():
                    batch = dict(inputs=[picture], data_samples=[DataSample()])
                    (sample,) = model.test_step(batch)
                class_id = CLASSES.index(path.parent.name)
                known = class_id in split.known
                sample.set_gt_label(split.known.index(class_id) if known else -1)
                metric.process({}, [sample.to_dict()])
            return metric.compute_metrics(metric.results)

        validated = measure("val")
        thresholds = {score: validated[f"{score}/rejection-threshold"] for score in SCORES}
        assert result["thresholds"] == pytest.approx(thresholds, rel=1e-4)
        expected = measure("test", result["thresholds"])
        assert result["figures"].keys() == expected.keys()
        assert result["figures"] == pytest.approx(expected, abs=0.01)
        assert {f"{score}/macro-F1" for score in SCORES} <= expected.keys()
        assert result["figures"]["accuracy/top1"] > 50  # colours are easy to learn
        # 6 classes are trained and to be distinguished, among 10 in the test.
        assert result["openness"] == pytest.approx(100 * (1 - np.sqrt(2 * 6 / (10 + 6))), abs=1e-4)
        for score in SCORES:
            counts = np.genfromtxt(place / f"plots/confusion_{score}.csv", delimiter=",")[1:, 1:]
            figure = result["figures"][f"{score}/macro-F1"]
            assert 100 * macro_f1(counts) == pytest.approx(figure, abs=1e-3)
            assert counts[:6].sum() == 18 and counts[6].sum() == 12

    @pytest.mark.parametrize("trial", [0, 1])
    def test_classes_and_images(self, runs, folder, trial):
        place = folder / f"out/tiny/trial_{trial}"
        data = json.loads((place / "result.json").read_text())["data"]
        split = load_split("protocol_a/cifar10", trial)
        names = [CLASSES[index] for index in split.known]
        assert data["known_classes"] == names
        counts = {
            part: (data[part]["known"], data[part]["unknown"])
            for part in data
            if part in ("train", "val", "test")
        }
        assert counts == {"train": (54, 0), "val": (6, 0), "test": (18, 12)}
        cfg = Config.fromfile(place / "config.py")
        init_default_scope("mmpretrain")
        for part in ("train", "val", "test"):
            shown = DATASETS.build(cfg[f"{part}_dataloader"].dataset)
            for item in map(shown.get_data_info, range(len(shown))):
                name = Path(item["img_path"]).parent.name
                assert item["gt_label"] == (names.index(name) if name in names else -1)
                assert item["gt_label"] >= 0 or part == "test"
        assert cfg.randomness.seed == trial

    def test_hashes_and_versions(self, runs, folder):
        for trial, result in runs["second"].results["tiny"].items():
            checkpoint = folder / f"out/tiny/trial_{trial}" / result["checkpoint"]
            found = subprocess.run(["sha256sum", checkpoint], capture_output=True, text=True)
            assert result["checkpoint_sha256"] == found.stdout.split()[0]
            config = Config.fromfile(folder / f"out/tiny/trial_{trial}/config.py")
            assert content_hash(config.to_dict()) == result["config_sha256"]
            assert result["versions"]["torch"] == torch.__version__
            assert (result["protocol"], result["version"]) == ("cifar10_6-4", 1)
        one, other = runs["second"].results["tiny"].values()
        assert one["config_sha256"] != other["config_sha256"]


def test_killed_and_resumed(runs, folder):
    """The whole run is killed while it trains; the resumed one gives the figures of trial 0."""
    out = folder / "killed"
    place = out / "tiny/trial_0"
    process = start(folder, out, "0")
    deadline = time.monotonic() + 300
    while not (place / "train/last_checkpoint").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    command = f"mmosr.benchmark.images.trial\0{place}\0".encode()
    while any(command in file for file in _commands()):  # the trial ends with the tool
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (place / "result.json").exists()
    checkpoint = (place / "train/last_checkpoint").read_text()
    assert f"iter_{ITERATIONS}" not in checkpoint
    run = run_protocol("cifar10_6-4", [folder / "tiny.py"], out, [0], SCORES, resume=True)
    log = (place / "log.txt").read_text()
    assert re.search(r"resumed epoch: \d+, iter: [1-5]0", log)
    resumed, whole = run.results["tiny"][0], runs["second"].results["tiny"][0]
    assert resumed["figures"] == pytest.approx(whole["figures"], abs=1e-3)
    assert resumed["config_sha256"] == whole["config_sha256"]


def _commands():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            continue
