"""Weights in safetensors files: packed, read, and loaded by name, also by mmengine."""

import shutil

import pytest
import torch
from mmengine.model import BaseModel, initialize
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from weight_packing import pack_weights

from mmosr.engine import packaged_weights
from mmosr.engine.checkpoint import check_safe, load_checkpoint_strict, read_checkpoint
from mmosr.engine.packaged_weights import checkpoint_file
from mmosr.utils import InputError

META = {
    "experiment_name": "demo_2",
    "iter": 300,
    "seed": 7,
    "cfg": "model = ...",
    "dataset_meta": {"classes": ("road", "car"), "palette": [[1, 2, 3], [4, 5, 6]], "more": 1},
}


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("exact", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(3, dtype=torch.long))
        self.register_buffer("flags", torch.zeros(2, dtype=torch.bool))

    def forward(self, inputs, mode="tensor"):
        return {"loss": self.norm(self.linear(inputs)).sum()}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Toy()
    model.exact[:] = torch.tensor([0.1, -3e4])
    model.counts[:] = torch.tensor([0, 70000, -1])
    model.flags[0] = True
    return model


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The folder of the package's weights, empty."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(packaged_weights, "FOLDER", folder)
    return folder


@pytest.fixture
def packed(folder, model):
    """The weights of the model, as ``mmosr://tiny``."""
    content = {"state_dict": model.state_dict(), "meta": META, "optimizer": {}, "message_hub": {}}
    pack_weights(content, folder / "tiny.safetensors", "x.pth")
    return folder / "tiny.safetensors"


def rounded(model):
    """What the file returns of a model."""
    values = model.state_dict().items()
    return {k: v.half().float() if v.is_floating_point() else v for k, v in values}


def assert_loaded(model, expected):
    for key, value in expected.items():
        own = model.state_dict()[key]
        assert torch.equal(own, value.to(own.dtype)), key


def test_there_and_back(packed, model):
    content = read_checkpoint(packed)
    expected = rounded(model)
    assert content["state_dict"].keys() == expected.keys()
    for key, value in content["state_dict"].items():
        assert torch.equal(value, expected[key]), key
        assert not value.is_floating_point() or value.dtype == torch.float32
    assert content["meta"] == {
        "source": "experiment demo_2, iteration 300, seed 7",
        "dataset_meta": {"classes": ["road", "car"], "palette": [[1, 2, 3], [4, 5, 6]]},
    }
    other = Toy()
    assert load_checkpoint_strict(other, "mmosr://tiny").keys() == content.keys()
    assert_loaded(other, expected)
    assert other.exact.dtype == torch.float64 and other.counts.dtype == torch.long


def test_small_types_on_disk(packed):
    with safe_open(packed, framework="pt") as file:
        types = {key: file.get_tensor(key).dtype for key in file.keys()}
    assert types.pop("counts") == torch.int32 and types.pop("flags") == torch.bool
    assert types.pop("norm.num_batches_tracked") == torch.int8
    assert set(types.values()) == {torch.float16}


def test_modules_know_the_version_of_their_weights(packed):
    versions = read_checkpoint(packed)["state_dict"]._metadata
    assert versions == {"norm": {"version": nn.BatchNorm1d._version}}


def test_names_of_the_package(folder, packed):
    assert checkpoint_file("mmosr://tiny") == packed
    shutil.copy(packed, folder / "small.safetensors")
    shutil.copy(packed, folder / ".small.1234.safetensors")  # a writer that was killed
    with pytest.raises(InputError, match=r"choose from mmosr://small, mmosr://tiny$"):
        read_checkpoint("mmosr://none")
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="no weights are installed"):
        check_safe("mmosr://tiny")


def test_remote_files_are_not_read():
    with pytest.raises(InputError, match="download it$"):
        check_safe("https://example.com/x.safetensors", trust=True)


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_files(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)) as info:
        load_checkpoint_strict(Toy(), path)
    assert "\n" not in str(info.value)


def test_files_of_others(tmp_path):
    path = tmp_path / "x.safetensors"
    weights = {"w": torch.tensor([1.5, 3e38]), "b": torch.tensor([1e38]).bfloat16()}
    save_file(weights, path)
    content = read_checkpoint(path)
    assert content["meta"] == {} and torch.equal(content["state_dict"]["w"], weights["w"])
    assert torch.equal(content["state_dict"]["b"], weights["b"].float())
    for strings in ({"dataset_meta": "{"}, {"dataset_meta": "[1]"}, {"versions": "1"}):
        save_file(weights, path, strings)
        with pytest.raises(InputError, match="damaged"):
            read_checkpoint(path)


@pytest.mark.parametrize("form", ["name", "file"])
def test_mmengine_starts_from_packed_weights(tmp_path, packed, model, form):
    torch.manual_seed(1)
    other = Toy()
    assert not torch.equal(other.linear.weight, model.linear.weight)
    runner = Runner(
        other,
        work_dir=str(tmp_path / "work"),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=[{"inputs": torch.ones(3) * value} for value in range(4)],
            sampler=dict(type="DefaultSampler", shuffle=True),
            collate_fn=dict(type="default_collate"),
        ),
        train_cfg=dict(by_epoch=False, max_iters=1),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.0)),
        load_from="mmosr://tiny" if form == "name" else str(packed),
        experiment_name=f"test_packaged_weights_{form}",
    )
    runner.train()
    expected = {k: v for k, v in rounded(model).items() if not k.startswith("norm.")}
    assert_loaded(other, expected)
    assert other.norm.num_batches_tracked == 1


def test_mmengine_loads_a_part(packed, model):
    part = dict(type="Pretrained", checkpoint="mmosr://tiny", prefix="linear")
    linear = nn.Linear(3, 2)
    initialize(linear, part)
    assert torch.equal(linear.weight, model.linear.weight.half().float())
    content = load_checkpoint(Toy(), str(packed), map_location="meta")
    assert all(value.is_meta for value in content["state_dict"].values())
