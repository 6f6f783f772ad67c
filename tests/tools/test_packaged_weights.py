"""Weights of the package instead of a checkpoint, in all tools that take one."""

import json

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from mmosr.config.loading import load_config
from mmosr.engine import packaged_weights
from mmosr.engine.checkpoint import SCORE_STATISTICS, read_checkpoint
from mmosr.runs.hashes import file_hash

from .fit_configs import MMSEG, MODEL

NAME = "mmosr://street"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with a config, ``plain.py``, and its checkpoint."""
    folder = tmp_path_factory.mktemp("packaged")
    (folder / "plain.py").write_text(MMSEG + MODEL)
    init_default_scope("mmseg")
    model = MODELS.build(load_config(folder / "plain.py").model)
    for number, parameter in enumerate(model.parameters()):
        torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(number))
    content = {"state_dict": model.state_dict(), "meta": {"seed": 3}, "optimizer": {"lr": 0.1}}
    torch.save(content, folder / "plain.pth")
    return folder


@pytest.fixture
def weights(files, call, monkeypatch, tmp_path):
    """The checkpoint as weights of the package."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(packaged_weights, "FOLDER", folder)
    path = folder / "street.safetensors"
    status, err = call("model_converters/pack_weights", files / "plain.pth", path)
    assert status == 0, err
    return path


@pytest.fixture
def options(scenes, tmp_path):
    """Options for the demo scenes, which have the layout of Cityscapes."""
    found = [f"{s}_dataloader.dataset.data_root={scenes}" for s in ("train", "val", "test")]
    found += [f"{s}_dataloader.num_workers=0" for s in ("train", "val", "test")]
    found += [f"{s}_dataloader.persistent_workers=False" for s in ("train", "val", "test")]
    found += ["test_dataloader.dataset.pipeline.1.scale=(64,64)"]
    return ["--work-dir", tmp_path / "work", "--cfg-options", *found]


def assert_one_line(result, *parts):
    status, err = result
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert status == 1 and "Traceback" not in err
    for part in parts:
        assert str(part) in line


def test_packing(files, call, tmp_path):
    out = tmp_path / "x.safetensors"
    pack = ["model_converters/pack_weights", files / "plain.pth"]
    assert call(*pack, out, "--max-bytes", 100000)[0] == 0
    assert out.stat().st_size < (files / "plain.pth").stat().st_size
    assert read_checkpoint(out)["meta"] == {"source": "seed 3"}
    assert call(*pack, out, "--source", "by hand")[0] == 0
    assert read_checkpoint(out)["meta"] == {"source": "by hand"}
    assert_one_line(call(*pack, out, "--max-bytes", 10), out, "more than the 10")
    assert_one_line(call(*pack, tmp_path), tmp_path, "is a folder")
    assert_one_line(call(*pack, tmp_path / "x.pth"), "must end in .safetensors")
    assert_one_line(call(pack[0], out, out), "the checkpoint itself")


@pytest.mark.parametrize("form", [NAME, "file"])
def test_training_starts_from_them(files, call, weights, options, tmp_path, form):
    start = weights if form == "file" else form
    options += [
        f"load_from={start}",
        "train_dataloader.batch_size=2",
        "train_dataloader.dataset.pipeline.3.crop_size=(32,64)",
        "model.data_preprocessor.size=(32,64)",
        "train_cfg.max_iters=1",
        "optim_wrapper.optimizer.lr=0.0",
    ]
    status, err = call("train", files / "plain.py", *options)
    assert status == 0, err
    trained = read_checkpoint(tmp_path / "work" / "iter_1.pth")["state_dict"]
    given = read_checkpoint(files / "plain.pth")["state_dict"]
    for key, value in given.items():
        if value.is_floating_point() and "running" not in key:
            assert torch.equal(trained[key], value.half().float()), key
    (log,) = (tmp_path / "work").glob("*/*.log")
    number = sum(not key.endswith("num_batches_tracked") for key in given)
    line = f"load_from={start}: {number} of {number} weights taken"
    assert log.read_text().count(line) == 1


def test_what_training_refuses(files, call, weights, options):
    resume = call("train", files / "plain.py", "--resume", NAME, *options)
    assert_one_line(resume, NAME, "no training state", f"--cfg-options load_from={NAME}")
    none = call("train", files / "plain.py", *options, "load_from=mmosr://none")
    assert_one_line(none, "mmosr://none", f"choose from {NAME}")


def test_testing_them(files, call, weights, options):
    status, err = call("test", files / "plain.py", NAME, *options)
    assert status == 0, err


def test_fitting_scores_leaves_the_package_alone(files, call, weights, options, tmp_path):
    fit = ["fit_score", files / "plain.py", NAME, "--scores", "sml"]
    status, err = call(*fit, *options)
    assert status == 0, err
    content = read_checkpoint(tmp_path / "work" / "street_fitted.pth")
    assert content[SCORE_STATISTICS].keys() == {"sml"} and content["meta"]["source"] == "seed 3"
    assert list(weights.parent.iterdir()) == [weights]
    out = tmp_path / "x.safetensors"
    assert_one_line(call(*fit, "--out", out, *options), out, "give a name with .pth")


def test_exports_name_them_and_their_hash(files, call, weights, scenes, options, tmp_path):
    images = scenes / "leftImg8bit" / "test"
    arguments = ["--out-dir", tmp_path / "maps", "--scores", "energy", *options[2:]]
    status, err = call("export_heatmaps", files / "plain.py", NAME, images, *arguments)
    assert status == 0, err
    run = json.loads((tmp_path / "maps" / "export.json").read_text())["run"]
    assert (run["checkpoint"], run["checkpoint_sha256"]) == (NAME, file_hash(weights))


def test_benchmarks_name_them_and_their_hash(files, call, weights, options, tmp_path):
    arguments = ["--scores", "energy", "--out-dir", tmp_path / "bench", *options]
    status, err = call("benchmark", files / "plain.py", NAME, *arguments)
    assert status == 0, err
    run = json.loads((tmp_path / "bench" / "run.json").read_text())
    assert (run["checkpoint"], run["checkpoint_sha256"]) == (NAME, file_hash(weights))
