"""Fitting scores for a finished checkpoint, and testing with what was fitted."""

import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmosr.apis import AnomalyInferencer, init_model
from mmosr.config.loading import load_config
from mmosr.config.pipelines import fit_dataloader
from mmosr.engine import fit_statistics
from mmosr.engine.checkpoint import SCORE_STATISTICS, read_checkpoint
from tests.processes import run_script

from .fit_configs import CAC, MMSEG, MODEL

ROOT = Path(__file__).parents[2]


def build(config):
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with a config of mmseg's own (``plain``) and one of CAC, with their checkpoints."""
    folder = tmp_path_factory.mktemp("fit")
    (folder / "plain.py").write_text(MMSEG + MODEL)
    (folder / "cac.py").write_text(CAC)
    for name in ("plain", "cac"):
        state = build(load_config(folder / f"{name}.py")).state_dict()
        content = {"state_dict": state, "meta": {"epoch": 3}, "optimizer": {"lr": 0.1}}
        torch.save(content, folder / f"{name}.pth")
    return folder


@pytest.fixture(scope="module")
def data(scenes):
    """Options for the demo scenes, which have the layout of Cityscapes."""
    options = [f"{s}_dataloader.dataset.data_root={scenes}" for s in ("train", "val", "test")]
    options += [f"{s}_dataloader.num_workers=0" for s in ("val", "test")]
    options += [f"{s}_dataloader.persistent_workers=False" for s in ("val", "test")]
    return [*options, "test_dataloader.dataset.pipeline.1.scale=(64,64)"]


@pytest.fixture
def fit(call, data, tmp_path):
    def run(config, *arguments):
        checkpoint = config.with_suffix(".pth")
        common = ["--work-dir", tmp_path / "work", "--cfg-options", *data]
        return call("fit_score", config, checkpoint, *arguments, *common)

    return run


def assert_one_line(result, *parts):
    status, err = result
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert status == 1 and len(lines) == 1, err
    assert "Traceback" not in err
    for part in parts:
        assert str(part) in lines[0]


def expected_statistics(config, checkpoint, data, scores):
    """The statistics as fitted in this process."""
    options = {key: value for key, value in (option.split("=", 1) for option in data)}
    options["test_dataloader.dataset.pipeline.1.scale"] = (64, 64)
    options |= {key: int(v) for key, v in options.items() if key.endswith("num_workers")}
    options |= {key: False for key in options if key.endswith("persistent_workers")}
    cfg = load_config(config, options)
    model = init_model(cfg, checkpoint, "cpu", score=scores)
    loaders = {s: Runner.build_dataloader(fit_dataloader(cfg, s)) for s in ("train", "val")}
    fit_statistics(model, loaders)
    return model


def test_a_plain_checkpoint_of_mmseg(files, fit, data, tmp_path, capsys):
    scores, out = ["sml", "mahalanobis", "odin_fitted"], tmp_path / "new" / "out.pth"
    status, err = fit(files / "plain.py", "--scores", *scores, "--out", out)
    assert status == 0, err
    before, after = read_checkpoint(files / "plain.pth"), read_checkpoint(out)
    assert after.keys() == before.keys() | {SCORE_STATISTICS}
    assert after["meta"] == before["meta"] and after["optimizer"] == before["optimizer"]
    assert list(after["state_dict"]) == list(before["state_dict"])
    for key, value in before["state_dict"].items():
        assert torch.equal(after["state_dict"][key], value), key
    model = expected_statistics(files / "plain.py", files / "plain.pth", data, scores)
    assert after[SCORE_STATISTICS].keys() == set(scores)
    for name, part in model.score_statistics().items():
        for key, value in part.items():
            torch.testing.assert_close(after[SCORE_STATISTICS][name][key], value)
    # What was fitted before stays.
    (files / "more.py").write_text((files / "plain.py").read_text())
    (files / "more.pth").write_bytes(out.read_bytes())
    status, err = fit(files / "more.py", "--scores", "kl_matching")
    assert status == 0, err
    more = read_checkpoint(files / "more_fitted.pth")[SCORE_STATISTICS]
    assert more.keys() == {*scores, "kl_matching"}
    assert torch.equal(more["sml"]["means"], after[SCORE_STATISTICS]["sml"]["means"])


def test_two_processes_fit_what_one_fits(files, data, tmp_path):
    """With an odd number of images; no image counts twice."""
    scores, out = ["sml", "mahalanobis"], tmp_path / "two.pth"
    config, checkpoint = files / "plain.py", files / "plain.pth"
    command = ["bash", ROOT / "tools" / "dist_fit_score.sh", config, checkpoint, 2]
    command += ["--scores", *scores, "--out", out, "--work-dir", tmp_path / "work"]
    done = subprocess.run(
        [*map(str, command), "--cfg-options", *data], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    model = expected_statistics(config, checkpoint, data, scores)
    found, expected = read_checkpoint(out)[SCORE_STATISTICS], model.score_statistics()
    for statistics in (found, expected):
        # The inverse covariance itself: its root is only known up to a rotation.
        whitening = statistics["mahalanobis"].pop("whitening")
        statistics["mahalanobis"]["whitened_means"] @= whitening[0].mT
        statistics["mahalanobis"]["inverse"] = whitening @ whitening.mT
    for name, part in expected.items():
        for key, value in part.items():
            atol = 1e-6 * max(value.abs().max().item(), 1)
            torch.testing.assert_close(found[name][key], value, rtol=0, atol=atol)


def test_a_bare_state_dict(files, fit, tmp_path):
    state = read_checkpoint(files / "plain.pth")["state_dict"]
    (tmp_path / "bare.py").write_text((files / "plain.py").read_text())
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "bare.pth")
    status, err = fit(tmp_path / "bare.py", "--scores", "sml")
    assert status == 0, err
    content = read_checkpoint(tmp_path / "bare_fitted.pth")
    assert content.keys() == {"state_dict", SCORE_STATISTICS}
    for key, value in state.items():
        assert torch.equal(content["state_dict"][f"module.{key}"], value)


def test_anchors(files, fit, call, data, tmp_path):
    out = tmp_path / "anchors.pth"
    status, err = fit(files / "cac.py", "--out", out)
    assert status == 0, err
    before, after = (read_checkpoint(path)["state_dict"] for path in (files / "cac.pth", out))
    changed = {key for key, value in before.items() if not torch.equal(after[key], value)}
    prefix = "decode_head.classifier."
    assert changed == {prefix + "reestimated_anchors", prefix + "fitted"}
    assert SCORE_STATISTICS not in read_checkpoint(out)
    model = expected_statistics(files / "cac.py", files / "cac.pth", data, "cac")
    anchors = model.classifier.reestimated_anchors
    torch.testing.assert_close(after[prefix + "reestimated_anchors"], anchors)
    # Where nothing can be fitted the anchors that the checkpoint has do not count.
    again, common = (
        tmp_path / "again.pth",
        ["--work-dir", tmp_path / "work", "--cfg-options", *data],
    )
    nowhere = "train_dataloader.dataset.data_root=/nowhere"
    result = call("fit_score", files / "cac.py", out, "--out", again, *common, nowhere)
    assert_one_line(result, "train_dataloader", "/nowhere")
    assert not again.exists()
    # Another score of this checkpoint also gets anchors, because it depends on them.
    assert fit(files / "cac.py", "--scores", "sml", "--out", tmp_path / "sml.pth")[0] == 0
    both = read_checkpoint(tmp_path / "sml.pth")
    assert both["state_dict"][prefix + "fitted"] and both[SCORE_STATISTICS].keys() == {"sml"}


def test_entries_of_the_config_by_name(files, data, call, tmp_path):
    """With names other than their types, and with options for their maps."""
    config, out, common = tmp_path / "named.py", tmp_path / "named.pth", ["--cfg-options", *data]
    scores = [
        dict(type="cac", name="cac_smooth", smoothing=True),
        dict(type="sml", name="borders", boundary_suppression=True),
    ]
    config.write_text(f"_base_ = '{files / 'cac.py'}'\nmodel = dict(score={scores})\n")
    names = ["--scores", "cac_smooth", "borders", "--work-dir", tmp_path / "work"]
    status, err = call("fit_score", config, files / "cac.pth", *names, "--out", out, *common)
    assert status == 0, err
    content = read_checkpoint(out)
    assert content["state_dict"]["decode_head.classifier.fitted"]
    assert content[SCORE_STATISTICS].keys() == {"borders"}
    status, err = call("test", config, out, *names, *common)
    assert status == 0, err


def test_testing_with_what_was_fitted(files, data, scenes, tmp_path):
    """As a user does it, in separate processes."""
    common = ["--work-dir", tmp_path / "work", "--cfg-options", *data]
    config, checkpoint = files / "cac.py", files / "cac.pth"
    out = tmp_path / "fitted.pth"
    scores = ["cac", "sml"]
    test = [config, out, "--scores", *scores]
    fitted = run_script("fit_score", config, checkpoint, "--scores", *scores, "--out", out, *common)
    assert fitted.returncode == 0, fitted.stderr
    (line,) = re.findall("^fitted .*", fitted.stdout, re.M)
    command = " ".join(map(str, ["python tools/test.py", *test]))
    assert line == (
        f"fitted classifier, sml: {out} written; to test it: {command} with the same --cfg-options"
    )
    heat = ["--show-dir", tmp_path / "maps"]
    done = run_script("test", *test, *heat, *common)
    assert done.returncode == 0, done.stderr
    assert "cac/AUROC:" in done.stdout and "sml/AUROC:" in done.stdout

    cfg = load_config(config, {"test_dataloader.dataset.pipeline.1.scale": (64, 64)})
    model = init_model(cfg, out, "cpu", score=["cac", "sml"])
    images = sorted((scenes / "leftImg8bit/test").rglob("*.png"))
    for path, result in zip(images, AnomalyInferencer(model)(images), strict=True):
        (written,) = (tmp_path / "maps").rglob(f"{path.stem}_score.npy")
        np.testing.assert_allclose(np.load(written), result.score, rtol=1e-4, atol=1e-5)
        assert result.scores["sml"].std() > 0

    unfitted = run_script("test", config, checkpoint, *common)
    assert unfitted.returncode == 1
    assert unfitted.stderr.splitlines()[-1].startswith("error: the anchors of AnchorClassifier")
    assert "tools/fit_score.py" in unfitted.stderr.splitlines()[-1]


def test_tta_and_the_evaluator_of_mmseg(files, fit, data, tmp_path):
    out = tmp_path / "fitted.pth"
    status, err = fit(files / "plain.py", "--scores", "mahalanobis", "--out", out)
    assert status == 0, err
    arguments = ["--work-dir", tmp_path, "--scores", "mahalanobis", "--cfg-options", *data]
    done = run_script("test", files / "plain.py", out, "--tta", *arguments, "img_ratios=1.0,")
    assert done.returncode == 0, done.stderr
    assert "mIoU" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "mmosr.OpenSetMetric" in line]
    assert any("no figures of the anomaly scores: set test_evaluator" in line for line in lines)


def test_killed_while_writing(files, data, tmp_path):
    out = tmp_path / "out.pth"
    out.write_bytes(b"earlier")
    code = (
        "import os, runpy, sys, torch\n"
        "def save(content, path):\n"
        "    open(path, 'wb').write(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
        "torch.save = save\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    (tmp_path / "killing.py").write_text(code)
    command = [str(tmp_path / "killing"), ROOT / "tools/fit_score.py", files / "plain.py"]
    command += [files / "plain.pth", "--scores", "sml", "--out", out, "--work-dir", tmp_path / "w"]
    done = run_script(*command, "--cfg-options", *data)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert out.read_bytes() == b"earlier"
    visible = [path.name for path in tmp_path.glob("*.pth") if not path.name.startswith(".")]
    assert visible == ["out.pth"]


def test_one_score_that_cannot_be_fitted(files, data, tmp_path):
    config, out = tmp_path / "plain.py", tmp_path / "out.pth"
    scores = [dict(type="openmax", max_gib=0), "sml", "kl_matching"]
    model = f"model = dict(type='mmosr.OpenSetEncoderDecoder', score={scores})\n"
    config.write_text(f"_base_ = '{files / 'plain.py'}'\n{model}")
    common = ["--work-dir", tmp_path / "work", "--cfg-options", *data]
    done = run_script("fit_score", config, files / "plain.pth", "--out", out, *common)
    assert_one_line((done.returncode, done.stderr), "not fitted: openmax", "max_gib = 0")
    (line,) = re.findall("^fitted .*", done.stdout, re.M)
    assert line.startswith(f"fitted sml, kl_matching: {out} written;")
    assert f"{config} {out} --scores sml kl_matching" in line
    found = read_checkpoint(out)[SCORE_STATISTICS]
    assert found.keys() == {"sml", "kl_matching"}
    model = expected_statistics(files / "plain.py", files / "plain.pth", data, list(found))
    torch.testing.assert_close(found["sml"], dict(model.score_statistics()["sml"]))
    out.unlink()
    config.write_text(config.read_text().replace("'sml', 'kl_matching'", "'msp'"))
    done = run_script("fit_score", config, files / "plain.pth", "--out", out, *common)
    assert_one_line((done.returncode, done.stderr), "error: score openmax keeps", "max_gib = 0")
    assert not out.exists()


def test_errors(files, fit, call, data, tmp_path):
    plain = files / "plain.py"
    assert_one_line(fit(plain, "--scores", "energy"), "energy needs no fitting", "tools/test.py")
    assert_one_line(fit(plain, "--scores", "smll"), "smll", "choose from", "sml")
    assert_one_line(fit(plain), "no score of the config needs fitting", "--scores", "mahalanobis")
    assert_one_line(fit(plain, "--scores", "sml", "--out", tmp_path), tmp_path, "folder")
    common = ["--work-dir", tmp_path / "work", "--scores", "sml", "--cfg-options", *data]
    for path, part in ((tmp_path / "none.pth", "does not exist"), (files / "cac.pth", "another")):
        assert_one_line(call("fit_score", plain, path, *common), path, part)
    (tmp_path / "damaged.pth").write_bytes((files / "plain.pth").read_bytes()[:2000])
    result = call("fit_score", plain, tmp_path / "damaged.pth", *common)
    assert_one_line(result, "damaged.pth", "damaged")
    missing = [*common, "train_dataloader.dataset.data_root=/nowhere"]
    result = call("fit_score", plain, files / "plain.pth", *missing)
    assert_one_line(result, "train_dataloader", "/nowhere", "docs/data.md")
    assert not list(files.glob("plain_fitted*"))
