import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmosr.engine.checkpoint import check_fits, check_safe, load_checkpoint_strict, read_checkpoint
from mmosr.utils import InputError


class Toy(BaseModel):
    def __init__(self, width=2):
        super().__init__()
        self.linear = nn.Linear(2, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, inputs, mode="tensor"):
        output = self.norm(self.linear(inputs))
        return {"loss": output.square().mean() + self.linear.weight.sum()}


class Points(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"inputs": torch.tensor([float(index), 1.0])}


class Attack:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint as mmengine writes it, and the model behind it."""
    folder = tmp_path_factory.mktemp("run")
    model = Toy()
    runner = Runner(
        model,
        work_dir=str(folder),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=Points(),
            sampler=dict(type="DefaultSampler", shuffle=True),
            collate_fn=dict(type="default_collate"),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type="AdamW", lr=0.1)),
        param_scheduler=dict(type="PolyLR", power=0.9, begin=0, end=2),
        default_hooks=dict(logger=dict(type="LoggerHook", interval=1)),
        randomness=dict(seed=0),
        experiment_name="test_checkpoint",
    )
    runner.train()
    return folder / "epoch_2.pth", model


def save(path, content):
    torch.save(content, path)
    return path


def test_a_checkpoint_of_mmengine_is_read_safely(trained):
    path, model = trained
    content = read_checkpoint(path)
    assert content["meta"]["epoch"] == 2
    assert torch.equal(content["state_dict"]["linear.weight"], model.linear.weight)
    log = content["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(log, HistoryBuffer)
    assert len(log.data[0]) == 4 and log.current() == log.data[0][-1]
    check_safe(path)


def test_numpy_values_and_random_states_are_read_safely(tmp_path):
    state = np.random.RandomState(0).get_state()
    content = {
        "random": state,
        "values": [np.float32(1.5), np.int64(7), np.bool_(True), np.str_("abc")],
        "arrays": [np.arange(3, dtype=kind) for kind in ("u1", "i2", "u8", "f2", "f4", "c16")],
    }
    loaded = read_checkpoint(save(tmp_path / "x.pth", content))
    assert loaded["values"] == content["values"]
    assert np.array_equal(loaded["random"][1], state[1])
    for actual, expected in zip(loaded["arrays"], content["arrays"], strict=True):
        assert actual.dtype == expected.dtype and np.array_equal(actual, expected)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_not_run(tmp_path, legacy):
    target, path = tmp_path / "written", tmp_path / "x.pth"
    attack = {"state_dict": {}, "meta": Attack(open, str(target), "w")}
    torch.save(attack, path, _use_new_zipfile_serialization=not legacy)
    for function in (read_checkpoint, check_safe):
        with pytest.raises(InputError, match=r"open.*--trust-checkpoint"):
            function(path)
    assert not target.exists()
    read_checkpoint(path, trust=True)  # the attack works where it is allowed
    assert target.exists()


@pytest.mark.parametrize(
    "attack",
    [
        Attack(getattr, HistoryBuffer, "__init__"),
        Attack(getattr, HistoryBuffer, "__mro__"),
        Attack(getattr, "abc", "upper"),
        Attack(getattr, np.ndarray, "tofile"),
    ],
)
def test_getattr_reaches_no_other_attribute(tmp_path, attack):
    with pytest.raises(InputError, match="unsafe"):
        read_checkpoint(save(tmp_path / "x.pth", {"x": attack}))


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", pickle.dumps({"a": 1}), b"PK\x03\x04broken"]
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)) as info:
        read_checkpoint(path)
    assert "\n" not in str(info.value)


def test_a_cut_or_missing_file_is_refused(tmp_path, trained):
    whole = trained[0].read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path)
    with pytest.raises(InputError, match="does not exist"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(InputError, match="holds a list"):
        read_checkpoint(save(tmp_path / "list.pth", [1]))


def test_a_remote_file_needs_trust():
    with pytest.raises(InputError, match="--trust-checkpoint"):
        check_safe("https://example.com/x.pth")
    check_safe("https://example.com/x.pth", trust=True)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_strict_loading(tmp_path, trained, prefix, wrapped):
    weights = OrderedDict((prefix + k, v) for k, v in trained[1].state_dict().items())
    path = save(tmp_path / "x.pth", {"state_dict": weights} if wrapped else weights)
    model = Toy()
    assert not torch.equal(model.linear.weight, trained[1].linear.weight)
    load_checkpoint_strict(model, path)
    assert torch.equal(model.linear.weight, trained[1].linear.weight)
    assert torch.equal(model.norm.running_mean, trained[1].norm.running_mean)


def test_another_model_is_refused_and_left_unchanged(tmp_path, trained):
    weights = dict(trained[1].state_dict())
    del weights["norm.bias"], weights["norm.weight"], weights["norm.running_var"]
    weights["head.bias"] = torch.zeros(1)
    path = save(tmp_path / "x.pth", {"state_dict": weights})
    model = Toy(width=3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError) as info:
        load_checkpoint_strict(model, path)
    assert str(info.value) == (
        f"checkpoint {path} is for another model: keys 3 missing (norm.weight, norm.bias, ...), "
        "1 unexpected (head.bias), 3 of another shape (linear.weight (2, 2) instead of (3, 2), "
        "linear.bias (2,) instead of (3,), ...); use the config it was trained with"
    )
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


def test_wrappers_are_seen_through(trained):
    class Augmented(BaseTTAModel):
        def merge_preds(self, data_samples_list):
            return data_samples_list

    content = read_checkpoint(trained[0])
    check_fits(Augmented(Toy()), content, "x")
    with pytest.raises(InputError, match="another model"):
        check_fits(Augmented(Toy(width=3)), content, "x")


def test_a_file_without_weights_is_refused(tmp_path):
    with pytest.raises(InputError, match="no weights"):
        load_checkpoint_strict(Toy(), save(tmp_path / "x.pth", {"state_dict": {}, "meta": {}}))
