"""What a trial continues from."""

import pytest
from mmengine.config import Config

from mmosr.benchmark.images import trial
from mmosr.utils import InputError


def test_the_last_checkpoint_unless_it_is_gone(tmp_path, monkeypatch):
    """A kill while the next checkpoint replaces the only one leaves a name without a file."""
    mark, begun = tmp_path / "last_checkpoint", []

    class Training:
        def __init__(self, cfg, resume):
            begun.append(resume)

        def train(self):
            (tmp_path / "iter_4.pth").touch()
            mark.write_text("iter_4.pth")

    monkeypatch.setattr(trial, "training_runner", Training)
    mark.write_text("iter_2.pth")
    assert trial.train(Config(), tmp_path) == tmp_path / "iter_4.pth"
    assert trial.train(Config(), tmp_path) == tmp_path / "iter_4.pth"
    assert begun == [None, str(tmp_path / "iter_4.pth")]
    monkeypatch.setattr(Training, "train", lambda self: mark.write_text("gone.pth"))
    with pytest.raises(InputError, match="training kept no checkpoint"):
        trial.train(Config(), tmp_path)
