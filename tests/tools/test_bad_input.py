"""Wrong input gives one line and a failing exit status, never a bare traceback."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from mmosr.config.loading import load_config
from tests.processes import run_script

ROOT = Path(__file__).parents[2]
DEMO = "configs/lgmm_deeplabv3plus_demo.py"
SOFTMAX = "configs/softmax_deeplabv3plus_demo.py"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_options):
    """A checkpoint that fits the tiny demo config."""
    options = dict(option.split("=", 1) for option in tiny_options)
    values = {key: eval(value) for key, value in options.items() if key.startswith("model.")}
    cfg = load_config(ROOT / DEMO, values)
    init_default_scope("mmseg")
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pth"
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, path)
    return path


def assert_one_line(result, *parts):
    status, err = result
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert status == 1 and len(lines) == 1, err
    assert "Traceback" not in err
    for part in parts:
        assert str(part) in lines[0]


def test_the_process_ends_with_a_failing_status():
    result = subprocess.run(
        [sys.executable, "tools/train.py", "nowhere.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "error: config nowhere.py does not exist"
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("train_dataloader.dataset.data_root=/nowhere", ["/nowhere", "docs/data.md"]),
        ("optim_wraper.type=x", ["optim_wraper", "optim_wrapper"]),
        ("model.decode_head.type=mmosr.LGMHead", ["mmosr.LGMHead", "registry"]),
        ("model.decode_head.host=NoHead", ["NoHead"]),
        ("model.decode_head.chanels=3", ["chanels"]),
        ("optim_wrapper.optimizer.type=SGDD", ["SGDD"]),
        ("optim_wrapper.encoder_constructor=No", ["optim_wrapper.encoder_constructor", "'No'"]),
        (
            "optim_wrapper.constructor=DefaultOptimWrapperConstructor",
            ["the mixture of L-GMM", "mmosr.MixtureOptimWrapperConstructor"],
        ),
        ("train_dataloader.batch_sise=3", ["batch_sise"]),
        ("train_cfg.type=EpochBasedTrainLoop", ["SeededInfiniteSampler never ends", "max_iters"]),
    ],
)
def test_train_with_a_wrong_setting(call, tiny_options, tmp_path, option, parts):
    result = call("train", DEMO, "--work-dir", tmp_path, "--cfg-options", *tiny_options, option)
    assert_one_line(result, *parts)


@pytest.mark.parametrize(
    ("tool", "key"),
    [("train", "train_dataloader"), ("train", "optim_wrapper"), ("test", "test_cfg")],
)
def test_config_without_a_part(call, tmp_path, tool, key):
    path = tmp_path / "part.py"
    path.write_text(f"_base_ = '{ROOT / DEMO}'\n{key} = None\n")
    result = call(tool, path, *(["checkpoint.pth"] if tool == "test" else []))
    assert_one_line(result, path, f"has no '{key}', so there is nothing to {tool}")


def test_train_resumed_from_wrong_files(call, tiny_options, tmp_path, checkpoint):
    def resume(config, path, *options):
        arguments = [config, "--work-dir", tmp_path, "--resume", path]
        return call("train", *arguments, "--cfg-options", *tiny_options, *options)

    assert_one_line(resume(DEMO, tmp_path / "none.pth"), "none.pth does not exist")
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(checkpoint.read_bytes()[:2000])
    assert_one_line(resume(DEMO, damaged), damaged, "damaged")
    other = resume(DEMO, checkpoint, "model.decode_head.classifier.embed_dims=4")
    assert_one_line(other, checkpoint, "another model", "of another shape")


def damage_label(tmp_path, scenes, content):
    """A copy of the scenes where every label file has ``content``."""
    for source in scenes.rglob("*.png"):
        target = tmp_path / "data" / source.relative_to(scenes)
        target.parent.mkdir(parents=True, exist_ok=True)
        if "labelTrainIds" in source.name:
            target.write_bytes(content)
        else:
            target.write_bytes(source.read_bytes())
    return tmp_path / "data"


def test_train_on_wrong_labels(call, scenes, tiny_options, tmp_path):
    content = cv2.imencode(".png", np.full((64, 64), 77, np.uint8))[1].tobytes()
    root = damage_label(tmp_path, scenes, content)
    option = f"train_dataloader.dataset.data_root={root}"
    for workers in (0, 1):
        more = [option, f"train_dataloader.num_workers={workers}"]
        more += ["train_dataloader.persistent_workers=False"]
        result = call("train", DEMO, "--work-dir", tmp_path, "--cfg-options", *tiny_options, *more)
        assert_one_line(result, "labelTrainIds.png", "77")


def test_test_with_wrong_input(call, tiny_options, tmp_path, checkpoint):
    def test(*arguments, options=()):
        common = ["--work-dir", tmp_path, "--cfg-options", *tiny_options, *options]
        return call("test", *arguments, *common)

    assert_one_line(test(DEMO, tmp_path / "none.pth"), "none.pth does not exist")
    no_tta = test(DEMO, checkpoint, "--tta", options=["tta_pipeline=None"])
    assert_one_line(no_tta, "--tta", "tta_pipeline")
    assert_one_line(test(DEMO, checkpoint, "--scores", "liklihood"), "liklihood")
    other = test(DEMO, checkpoint, options=["model.decode_head.classifier.embed_dims=4"])
    assert_one_line(other, checkpoint, "another model")


def test_test_does_not_run_code_from_a_checkpoint(call, tiny_options, tmp_path):
    target = tmp_path / "written"

    class Attack:
        def __reduce__(self):
            return open, (str(target), "w")

    path = tmp_path / "x.pth"
    torch.save({"state_dict": {}, "meta": Attack()}, path)
    arguments = [path, "--work-dir", tmp_path, "--cfg-options", *tiny_options]
    assert_one_line(call("test", DEMO, *arguments), path, "--trust-checkpoint")
    assert not target.exists()


def test_test_gives_the_figures_of_the_chosen_scores(tiny_options, tmp_path, checkpoint):
    # Its own process: mmengine keeps its logger, with the files of another test's run.
    command = ["test", ROOT / DEMO, checkpoint]
    command += ["--work-dir", tmp_path, "--out-dir", tmp_path / "labels"]
    command += ["--scores", "likelihood", "energy", "--cfg-options", *tiny_options]
    done = run_script(*command)
    assert done.returncode == 0, done.stderr
    maps = sorted((tmp_path / "labels").glob("*.png"))
    assert len(maps) == 2
    values = np.unique(cv2.imread(str(maps[0]), cv2.IMREAD_UNCHANGED))
    assert values.min() >= 0 and values.max() < 19
    assert "likelihood/AUROC:" in done.stdout and "energy/FPR95:" in done.stdout
    assert "msp/" not in done.stdout
