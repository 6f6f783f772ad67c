"""Checkpoints of one run of tools/run_protocol.py, used in another run and by tools/test.py."""

import re
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from mmosr.benchmark.images import run_protocol
from mmosr.benchmark.images.trained import find_trained
from mmosr.evaluation.image_table import read_image_table
from mmosr.utils import InputError

from .tiny_protocol import CLASSES, ITERATIONS, SCORES

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
        with pytest.raises(InputError, match="cannot resume: .* differs in --trained; choose"):
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
        out = ["--out-dir", tmp_path / "scores", "--work-dir", tmp_path]
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
            (["--show-dir", "maps"], "a classifier of whole images has none: --out-dir DIR writes"),
            (["--show"], "a classifier of whole images has none: --out-dir DIR writes"),
            (
                ["--out-dir", "maps", "--cfg-options", "test_evaluator.type=Accuracy"],
                r"set test_evaluator=dict\(type='mmosr.OpenSetRecognitionMetric'\)",
            ),
        ],
    )
    def test_refused(self, folder, tmp_path, call, options, message):
        status, error = call("test", folder / "tiny.py", "no.pth", "--work-dir", tmp_path, *options)
        (line,) = error.splitlines()[-1:]
        assert status == 1 and re.search(f"^error: .*{message}", line)
