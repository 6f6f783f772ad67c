"""The last checkpoint of a training."""

from mmosr.engine.runners import last_checkpoint


def test_last_checkpoint(tmp_path):
    assert last_checkpoint(tmp_path / "none") is None
    work, old = tmp_path / "work", tmp_path / "old"
    for folder in (work, old):
        folder.mkdir()
    (work / "last_checkpoint").write_text(str(old / "iter_2.pth"))
    assert last_checkpoint(work) == work / "iter_2.pth"  # gone: the error names it
    (old / "iter_2.pth").touch()
    assert last_checkpoint(work) == old / "iter_2.pth"  # where the training keeps checkpoints
    (work / "iter_2.pth").touch()
    assert last_checkpoint(work) == work / "iter_2.pth"  # a folder that was copied
