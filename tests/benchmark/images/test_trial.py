"""One trial that continues."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmosr.benchmark.images import trial


@pytest.mark.parametrize("kept", [True, False])
def test_training_continues_from_the_last_checkpoint_that_is_there(tmp_path, monkeypatch, kept):
    """A hook that keeps one checkpoint removes it first: a kill leaves none, and its name."""
    work, resumed = tmp_path / "train", []

    def training_runner(cfg, resume):
        resumed.append(resume)
        return SimpleNamespace(train=lambda: (work / "iter_2.pth").touch())

    monkeypatch.setattr(trial, "training_runner", training_runner)
    work.mkdir()
    (work / "last_checkpoint").write_text("elsewhere/iter_2.pth")
    if kept:
        (work / "iter_2.pth").touch()
    assert trial.train(Config(), work) == work / "iter_2.pth"
    assert resumed == [str(work / "iter_2.pth") if kept else None]
