"""tools/run_protocol.py on small JPEG files in the layout of CIFAR-10 as files."""

import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.datasets import CIFAR10
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from rich.console import Console

from mmosr.datasets import load_split
from mmosr.engine.checkpoint import load_statistics, read_checkpoint
from mmosr.evaluation import OpenSetRecognitionMetric
from mmosr.evaluation.image_protocols import load_image_protocol
from mmosr.evaluation.image_table import read_image_table
from mmosr.evaluation.rejection import macro_f1
from mmosr.recognition_protocol import run_protocol
from mmosr.recognition_protocol.config import trial_config
from mmosr.recognition_protocol.data import describe_data
from mmosr.recognition_protocol.launch import failure_line, progress_line
from mmosr.recognition_protocol.report import print_report
from mmosr.recognition_protocol.summary import summarize
from mmosr.recognition_protocol.trained import find_trained
from mmosr.utils import InputError
from mmosr.utils.config import dicts
from mmosr.utils.hashes import content_hash

ROOT = Path(__file__).parents[2]
CLASSES = CIFAR10.METAINFO["classes"]
COUNTS = {"train": 10, "test": 3}
ITERATIONS = 60
CONFIG = """
default_scope = "mmpretrain"
steps = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
augmented = [dict(type="mmosr.SeedDraw"), steps[0], dict(type="RandomFlip", prob=0.5), steps[1]]
data = dict(
    type="mmosr.OpenSetClassificationDataset", data_root="{root}",
    class_split="protocol_a/cifar10", trial=4, val_fraction=0.1)
model = dict(
    type="mmosr.OpenSetImageClassifier", score="cac",
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True),
    backbone=dict(
        type="ResNet_CIFAR", depth=18, stem_channels=4, base_channels=4, out_indices=(3,)),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(type="mmosr.CACClsHead", in_channels=32, num_classes=6))
train_dataloader = dict(
    batch_size=6, num_workers=0, sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(role="train", data_prefix="train", pipeline=augmented, **data))
val_dataloader = dict(
    batch_size=7, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="val", data_prefix="train", pipeline=steps, **data))
test_dataloader = dict(
    batch_size=7, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", data_prefix="test", pipeline=steps, **data))
val_evaluator = test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
train_cfg = dict(type="IterBasedTrainLoop", max_iters=60, val_interval=60)
val_cfg = test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=10, max_keep_ckpts=2),
    logger=dict(type="LoggerHook", interval=10))
custom_hooks = [dict(type="mmosr.StepSeedHook")]
randomness = dict(seed=0)
"""
SCORES = ["cac", "msp", "sml"]  # sml has statistics to fit, as the anchors of CAC
BROKEN = "cat/0004.jpg"  # a known class in trial 1, an unknown one in trial 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The config, and images whose colour says a little about their class."""
    root = tmp_path_factory.mktemp("protocol")
    generator = np.random.default_rng(0)
    colours = generator.integers(60, 200, (len(CLASSES), 3))
    for part, count in COUNTS.items():
        for name, colour in zip(CLASSES, colours, strict=True):
            for number in range(count):
                image = np.clip(colour + generator.normal(0, 40, (16, 16, 3)), 0, 255)
                path = root / "data" / part / name / f"{number:04}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), image.astype(np.uint8))
    (root / "tiny.py").write_text(CONFIG.replace("{root}", str(root / "data")))
    return root


def arguments(folder, out, trials, *more):
    method = ("--method", folder / "tiny.py", "--scores", *SCORES)
    return ["cifar10_6-4", *method, "--trials", trials, "--out", out, *more]


def start(folder, out, trials, *more):
    """The tool in a process of its own."""
    command = [sys.executable, ROOT / "tools/run_protocol.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*map(str, [*command, *arguments(folder, out, trials, *more)])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def runs(folder):
    """What two runs print and leave: trial 1 fails for a broken image, which is then mended."""
    out, broken = folder / "out", folder / "data/train" / BROKEN
    whole = broken.read_bytes()
    broken.write_bytes(b"no image")
    first = start(folder, out, "0-1")
    texts = first.communicate(timeout=300)
    report = json.loads((out / "protocol.json").read_text())
    kept = (out / "tiny/trial_0/result.json").stat().st_mtime_ns
    broken.write_bytes(whole)
    second = run_protocol("cifar10_6-4", [folder / "tiny.py"], out, [0, 1], SCORES, resume=True)
    return dict(status=first.returncode, texts=texts, report=report, kept=kept, second=second)


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
        assert result["figures"]["accuracy/top1"] > 50  # colours are easily learnt
        # 6 classes are trained and to be told apart, among 10 in the test.
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
    command = f"mmosr.recognition_protocol.trial\0{place}\0".encode()
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


OTHER = {"test_dataloader.dataset.data_prefix": "other"}


def run_trained(folder, out, scores=("cac", "sml"), source="out", resume=False, options=OTHER):
    """The checkpoint of trial 0 of one run, in another run."""
    return run_protocol(
        "cifar10_6-4",
        [folder / "tiny.py"],
        out,
        [0],
        list(scores),
        trained=source and folder / source,
        resume=resume,
        cfg_options=options,
    )


@pytest.fixture(scope="module")
def tested(runs, folder):
    """The result with other test images: the first of each class."""
    for name in CLASSES:
        image = folder / "data/other" / name / "0000.jpg"
        image.parent.mkdir(parents=True)
        image.write_bytes((folder / "data/test" / name / "0000.jpg").read_bytes())
    return run_trained(folder, folder / "tested").results["tiny"][0]


class TestTrained:
    """The checkpoints of one run, in another run with other test images."""

    def test_figures(self, tested, runs, folder):
        result, source = tested, runs["second"].results["tiny"][0]
        assert result["checkpoint_sha256"] == source["checkpoint_sha256"]
        assert result["training_sha256"] == source["training_sha256"]
        assert result["config_sha256"] != source["config_sha256"]
        assert result["data"]["test"]["known"] == 6 and result["data"]["test"]["unknown"] == 4
        assert not (folder / "tested/tiny/trial_0/train").exists()
        shown = read_image_table(folder / "tested/tiny/trial_0/images.csv")
        whole = read_image_table(folder / "out/tiny/trial_0/images.csv")
        rows = [index for index, path in enumerate(whole.images) if path.endswith("0000.jpg")]
        assert [Path(path).parent.name for path in shown.images] == [
            Path(whole.images[row]).parent.name for row in rows
        ]
        for score in ("cac", "sml"):
            assert shown.scores[score] == pytest.approx(whole.scores[score][rows], rel=1e-4)
            assert result["thresholds"][score] == pytest.approx(source["thresholds"][score])

    def test_report(self, tested, folder):
        place = folder / "out/tiny/trial_0"
        checkpoint = tested["checkpoint"]
        assert checkpoint == str(place / f"train/iter_{ITERATIONS}.pth")
        assert tested["trained"]["folder"] == str(place)
        text = (folder / "tested/protocol.md").read_text()
        assert f"tiny, trial 0: not trained here; checkpoint `{checkpoint}`" in text

    def test_resume(self, tested, folder):
        out, written = folder / "tested", folder / "tested/tiny/trial_0/result.json"
        before = written.stat().st_mtime_ns
        again = run_trained(folder, out, resume=True)
        assert again.results["tiny"][0] == tested and written.stat().st_mtime_ns == before
        with pytest.raises(InputError, match="cannot resume: .* with another --trained; choose"):
            run_trained(folder, out, resume=True, source=None)

    def test_of_a_trial_that_was_not_trained_itself(self, tested, folder):
        cfg = Config.fromfile(folder / "tested/tiny/trial_0/config.py")
        found = find_trained(folder / "tested/tiny/trial_0", cfg)
        first = find_trained(folder / "out/tiny/trial_0", cfg)
        for key in ("checkpoint", "checkpoint_sha256", "data_sha256"):
            assert found[key] == first[key]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"optim_wrapper.optimizer.lr": 0.1}, "optim_wrapper"),
            ({"train_dataloader.dataset.data_root": "x"}, "train_dataloader"),
            ({"train_dataloader.x": 2, "randomness.seed": 4}, "randomness, train_dataloader:"),
        ],
    )
    def test_another_training(self, runs, folder, tmp_path, options, message):
        with pytest.raises(InputError, match=f"--trained: .*/tiny/trial_0' was .* {message}"):
            run_trained(folder, tmp_path / "new", options=options)
        assert not (tmp_path / "new").exists()

    def test_a_score_without_statistics(self, runs, folder, tmp_path):
        with pytest.raises(InputError, match="no statistics of the score 'mahalanobis'"):
            run_trained(folder, tmp_path / "new", ["cac", "energy", "mahalanobis"])

    def test_no_such_trial(self, folder, tmp_path):
        with pytest.raises(
            InputError, match="there is no finished trial in '.*nowhere/tiny/trial_"
        ):
            run_trained(folder, tmp_path / "new", source="nowhere")

    def test_other_images(self, runs, folder, tmp_path):
        image = folder / "data/train/airplane/0003.jpg"
        content = image.read_bytes()
        image.unlink()
        try:
            with pytest.raises(InputError, match="was trained with other classes or images"):
                run_trained(folder, tmp_path / "new", options=None)
        finally:
            image.write_bytes(content)

    def test_a_checkpoint_that_has_changed(self, runs, folder, tmp_path):
        shutil.copytree(folder / "out/tiny/trial_0", tmp_path / "tiny/trial_0")
        checkpoint = tmp_path / f"tiny/trial_0/train/iter_{ITERATIONS}.pth"
        with checkpoint.open("ab") as file:
            file.write(b"x")
        with pytest.raises(InputError, match=rf"iter_{ITERATIONS}.pth' has changed since"):
            run_trained(folder, tmp_path / "new", source=tmp_path)
        checkpoint.unlink()
        with pytest.raises(InputError, match=rf"iter_{ITERATIONS}.pth' is gone"):
            run_trained(folder, tmp_path / "new", source=tmp_path)


class TestTestTool:
    """tools/test.py on an image model."""

    def test_scores_of_all_images(self, runs, folder, tmp_path, call):
        place = folder / "out/tiny/trial_0"
        checkpoint = place / f"train/iter_{ITERATIONS}.pth"
        out = ["--out", tmp_path / "scores", "--work-dir", tmp_path]
        status, error = call("test", place / "config.py", checkpoint, *out)
        assert status == 0, error
        found = read_image_table(tmp_path / "scores/images.csv")
        expected = read_image_table(place / "images.csv")
        assert found.images == expected.images and (found.truth == expected.truth).all()
        for score in SCORES:
            assert found.scores[score] == pytest.approx(expected.scores[score], rel=1e-4)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--show-dir", "maps"], "a classifier of whole images has not: --out DIR writes"),
            (["--show"], "a classifier of whole images has not: --out DIR writes"),
            (
                ["--out", "maps", "--cfg-options", "test_evaluator.type=Accuracy"],
                r"set test_evaluator=dict\(type='mmosr.OpenSetRecognitionMetric'\)",
            ),
        ],
    )
    def test_refused(self, folder, tmp_path, call, options, message):
        status, error = call("test", folder / "tiny.py", "no.pth", "--work-dir", tmp_path, *options)
        (line,) = error.splitlines()[-1:]
        assert status == 1 and re.search(f"^error: .*{message}", line)


def test_data_of_a_file(folder, tmp_path):
    """A method made for other data, with mixed precision and two seeds."""
    text = (folder / "tiny.py").read_text()
    names = ("train_dataloader", "val_dataloader", "test_dataloader", "val_evaluator = test_ev")
    starts = [text.index(f"\n{name}") for name in names] + [text.index("\ntrain_cfg")]
    loaders = text[: text.index("\nmodel = ")] + text[starts[0] : starts[-1]]
    (tmp_path / "data.py").write_text(
        loaders.replace("batch_size=6", "batch_size=5")
        + "\ndata_preprocessor = dict(mean=[110.0] * 3, std=[50.0] * 3, to_rgb=True)\n"
    )
    method = text.replace("num_classes=6", "num_classes=3").replace("max_iters=60", "max_iters=20")
    (tmp_path / "method.py").write_text(method.replace("protocol_a/cifar10", "protocol_a/svhn"))
    methods, out = [tmp_path / "method.py"], tmp_path / "out"
    with pytest.raises(InputError, match=r"; --data configs/_base_/protocols/cifar10_6-4.py gives"):
        run_protocol("cifar10_6-4", methods, out, [2])
    run = run_protocol(
        "cifar10_6-4", methods, out, [2], data=tmp_path / "data.py", amp=True, seeds=[0, 5]
    )
    assert list(run.results["method"]) == ["2 seed 0", "2 seed 5"]
    for seed in (0, 5):
        cfg = Config.fromfile(out / f"method/trial_2_seed_{seed}/config.py")
        assert cfg.randomness.seed == 2 + seed == run.results["method"][f"2 seed {seed}"]["seed"]
        assert cfg.optim_wrapper.type == "AmpOptimWrapper"
        assert (cfg.model.head.num_classes, cfg.train_dataloader.batch_size) == (6, 6)
        assert cfg.model.data_preprocessor.mean == [110.0] * 3
        assert {node["trial"] for node in dicts(cfg.test_dataloader) if "trial" in node} == {2}
    report = json.loads((out / "protocol.json").read_text())["methods"]["method"]
    both = [result["figures"]["cac/AUROC"] for result in run.results["method"].values()]
    assert report["figures"]["cac/AUROC"]["std"] == pytest.approx(np.std(both))
    assert "| 2 seed 0, 2 seed 5 |" in (out / "protocol.md").read_text()


class TestRefused:
    """Each in one line, before anything is trained."""

    def run(self, folder, out, *, config="tiny.py", trials=(0,), **options):
        run_protocol("cifar10_6-4", [folder / config], out, trials, **options)

    def test_missing_data(self, folder, tmp_path):
        options = {f"{p}_dataloader.dataset.data_root": "nowhere" for p in ("train", "val", "test")}
        with pytest.raises(InputError, match=r"nowhere.*docs/image_data.md"):
            self.run(folder, tmp_path / "out", cfg_options=options)
        assert not (tmp_path / "out").exists()

    def test_unknown_images_in_validation(self, folder, tmp_path):
        options = {"val_dataloader.dataset.role": "test"}
        with pytest.raises(InputError, match="the val data show 40 unknown images"):
            self.run(folder, tmp_path / "out", cfg_options=options)

    def test_no_unknown_image_in_the_test(self, folder, tmp_path):
        options = {
            "test_dataloader.dataset.role": "val",
            "test_dataloader.dataset.data_prefix": "train",
        }
        with pytest.raises(InputError, match="the test data show no unknown image"):
            self.run(folder, tmp_path / "out", cfg_options=options)

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("train_dataloader.dataset.class_split", "protocol_a/svhn", "takes 'protocol_a/cif"),
            (
                "model.head.num_classes",
                5,
                "the model has 5 classes, and .* set model.head.num_c.*; --data conf",
            ),
            ("val_dataloader", None, "has no 'val_dataloader'"),
        ],
    )
    def test_config_of_something_else(self, folder, tmp_path, key, value, message):
        with pytest.raises(InputError, match=message):
            self.run(folder, tmp_path / "out", cfg_options={key: value})
        assert not (tmp_path / "out").exists()

    def test_data_without_class_split(self, folder, tmp_path):
        text = (folder / "tiny.py").read_text()
        path = tmp_path / "plain.py"
        path.write_text(text.replace('class_split="protocol_a/cifar10", trial=4, ', ""))
        with pytest.raises(InputError, match="train_dataloader has no class_split"):
            self.run(tmp_path, tmp_path / "out", config="plain.py")

    def test_scores(self, folder, tmp_path):
        with pytest.raises(InputError, match="movr"):
            self.run(folder, tmp_path / "out", scores=["movr"])

    def test_seeds_of_trials_that_are_seeds(self, folder, tmp_path):
        with pytest.raises(InputError, match="differ by nothing but their seed: add --trials 0"):
            run_protocol("ood_cifar10_isun", [folder / "tiny.py"], tmp_path / "out", seeds=[0, 1])

    def test_trial(self, folder, tmp_path):
        with pytest.raises(InputError, match="no trial 5: choose from 0-4"):
            self.run(folder, tmp_path / "out", trials=[5])

    def test_protocol(self, folder, tmp_path):
        with pytest.raises(InputError, match="no protocol 'cifar10_6_4': did you mean cifar10_6-4"):
            run_protocol("cifar10_6_4", [folder / "tiny.py"], tmp_path / "out")

    def test_two_configs_of_one_name(self, folder, tmp_path):
        (tmp_path / "tiny.py").write_text((folder / "tiny.py").read_text())
        with pytest.raises(InputError, match="two configs are called tiny"):
            run_protocol("cifar10_6-4", [folder / "tiny.py", tmp_path / "tiny.py"], tmp_path)

    def test_a_folder_in_use(self, runs, folder):
        with pytest.raises(InputError, match="holds a trial already: add --resume"):
            self.run(folder, folder / "out", scores=SCORES)

    @pytest.mark.parametrize(
        "change",
        [
            dict(scores=["cac"]),
            dict(scores=SCORES, cfg_options={"train_dataloader.batch_size": 4}),
        ],
    )
    def test_another_run(self, runs, folder, change):
        with pytest.raises(InputError, match="cannot resume: .* with another config; choose"):
            self.run(folder, folder / "out", resume=True, **change)

    def test_other_versions(self, runs, folder):
        path = folder / "out/tiny/trial_0/trial.json"
        text = path.read_text()
        path.write_text(text.replace(torch.__version__, "1.0"))
        try:
            with pytest.raises(InputError, match=r"another torch \(1.0 instead of"):
                self.run(folder, folder / "out", scores=SCORES, resume=True)
        finally:
            path.write_text(text)


def test_a_process_that_crashes(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("error: of an earlier attempt\nTraceback\n  File x\nValueError: so it is\n\n")
    start = log.read_text().index("Traceback")
    assert failure_line(log, start) == "ValueError: so it is"
    assert failure_line(log) == "of an earlier attempt"
    log.write_text("error: first\nerror: last\nsome warning\n")
    assert failure_line(log) == "last"
    log.write_text("")
    assert failure_line(log) == "no message"


def test_progress(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("a log\n")
    assert progress_line(log) is None
    begin = "11/21 05:48:56 - mmengine - INFO - "
    line = "Iter(train) [ 40/120]  lr: 4.5e-02  eta: 1 day, 0:01:16  time: 1.2  loss: 3.10  x: 2\n"
    log.write_text(begin + "Iter(train) [ 20/120]  loss: 4.0\n" + begin + line)
    assert progress_line(log) == "train [ 40/120], eta: 1 day, 0:01:16, loss: 3.10"
    log.write_text(begin + "Epoch(train) [2][5/9]  lr: 1  eta: 0:00:03  loss: 0.5\n")
    assert progress_line(log) == "train [2][5/9], eta: 0:00:03, loss: 0.5"
    with log.open("a") as file:
        file.write(begin + "Fitting classifier: 25 of 90 images, eta: 0:00:28\n")
    assert progress_line(log) == "Fitting classifier: 25 of 90 images, eta: 0:00:28"
    assert progress_line(log, log.stat().st_size) is None  # nothing in this attempt yet


def test_trial_numbers():
    spec = importlib.util.spec_from_file_location("tool", ROOT / "tools/run_protocol.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.trial_numbers("0-2,4,1") == [0, 1, 2, 4]
    for text in ("", "a", "2-1", "-1", "1-"):
        with pytest.raises(ArgumentTypeError):
            tool.trial_numbers(text)


def test_ratio(folder, tmp_path):
    """As many unknown as known images, where the protocol says so."""
    protocol = load_image_protocol("cifar10_6-4")
    cfg = trial_config(Config.fromfile(folder / "tiny.py"), protocol, 0)
    assert describe_data(cfg, replace(protocol, ratio=12 / 18))["test"]["unknown"] == 12
    with pytest.raises(InputError, match="18 known and 12 unknown images, .* needs ratio=1,"):
        describe_data(cfg, replace(protocol, ratio=1.0))
    with pytest.raises(InputError, match="6 known classes, and protocol cifar10_6-4 has 10"):
        describe_data(cfg, replace(protocol, num_known=10))
