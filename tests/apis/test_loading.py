"""One loaded model: what it says about its config, and what identifies it in records."""

import copy

import pytest

from mmosr.apis import AnomalyInferencer, load, load_config
from mmosr.runs.hashes import content_hash, file_hash
from mmosr.utils import InputError


@pytest.fixture(scope="module")
def loaded(files):
    return load(files / "plain.py", files / "model.pth", ["energy", "msp"], "cpu")


def test_what_the_config_says(files, loaded):
    assert loaded.config_file == str(files / "plain.py") and loaded.work_dir == "work_dirs/plain"
    assert tuple(loaded.classes) == ("a", "b", "c") and len(loaded.palette) == 3
    assert (loaded.batch_size, loaded.workers) == (1, 0)
    assert all("Annotations" not in step["type"] for step in loaded.steps)
    assert not loaded.model.training and loaded.model.score_names == ("energy", "msp")


def test_identity(files, loaded):
    """Values that records of earlier versions have."""
    given = load_config(files / "plain.py")
    built = copy.deepcopy(given.model)
    built.update(type="mmosr.OpenSetEncoderDecoder", score=["energy", "msp"])
    names = {"config": str(files / "plain.py"), "checkpoint": str(files / "model.pth")}
    identity = loaded.identity()
    assert {key: identity[key] for key in names} == names
    assert identity["checkpoint_sha256"] == file_hash(files / "model.pth")
    assert identity["config_sha256"] == content_hash([built, loaded.steps])
    apart = loaded.identity(with_scores=False)["config_sha256"]
    assert apart == content_hash([{**given.model, "score": []}, loaded.steps])
    assert loaded.model_hash() == content_hash(given.model)
    one = load(files / "plain.py", files / "model.pth", "energy", "cpu")
    assert one.identity()["config_sha256"] == content_hash(
        [{**built, "score": "energy"}, one.steps]
    )
    assert one.identity(with_scores=False)["config_sha256"] == apart


def test_an_inferencer_takes_it_or_its_model(loaded, images):
    (one,), (other,) = (
        list(AnomalyInferencer(given)(images / "gray.png")) for given in (loaded, loaded.model)
    )
    assert (one.score == other.score).all()


def test_a_config_without_a_model(files, tmp_path):
    (tmp_path / "x.py").write_text("a = 1")
    with pytest.raises(InputError, match="x.py has no 'model', so there is nothing to load"):
        load(tmp_path / "x.py", files / "model.pth")


def test_a_config_stays_as_it_is(files):
    config = load_config(files / "plain.py")
    before = config.pretty_text
    load(config, files / "model.pth", "msp", "cpu", {"model.test_cfg.mode": "whole"})
    assert config.pretty_text == before
