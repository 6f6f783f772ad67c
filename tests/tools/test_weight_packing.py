"""What tools/model_converters/weight_packing.py packs, says and rejects."""

import pytest
import torch
from torch import nn
from weight_packing import narrow, pack_weights

from mmosr.engine.checkpoint import load_checkpoint_strict, read_checkpoint
from mmosr.methods import AssignmentMemory
from mmosr.utils import InputError


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([-128, 127], torch.int8),
        ([0, 255], torch.uint8),
        ([-1, 255], torch.int16),
        ([32768], torch.int32),
        ([2**31], torch.int64),
        ([], torch.int64),
    ],
)
def test_the_smallest_type_that_holds_the_values(values, dtype):
    value = torch.tensor(values, dtype=torch.long)
    small = narrow(value, "x")
    assert small.dtype == dtype and torch.equal(small.long(), value)


def test_what_is_said_of_the_file(tmp_path):
    # Between 2048 and 4096, float16 has even numbers: 2049 is one away.
    state = {"a": torch.tensor([1.0, 2049.0]), "b": torch.zeros(2), "module.c": torch.tensor(3)}
    packed = pack_weights({"state_dict": state, "optimizer": {}}, tmp_path / "x.safetensors", "x")
    assert (packed.rounding, packed.roundest) == (1 / 2049, "a")
    assert packed.size == (tmp_path / "x.safetensors").stat().st_size
    assert (packed.tensors, packed.source, packed.left_out) == (3, "", ["optimizer"])
    bare = pack_weights(state, tmp_path / "y.safetensors", "x", source="by hand")
    assert (bare.source, bare.left_out) == ("by hand", [])
    content = read_checkpoint(tmp_path / "y.safetensors")
    assert (
        content["state_dict"].keys() == {"a", "b", "c"} and content["meta"]["source"] == "by hand"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor([1.0, float("nan")]), "x.pth: weight w holds NaN"),
        (torch.tensor([-70000.0]), "x.pth: weight w holds 70000, beyond the largest float16"),
        (torch.tensor([1j]), "complex"),
    ],
)
def test_values_that_cannot_be_packed(tmp_path, value, message):
    with pytest.raises(InputError, match=message):
        pack_weights({"state_dict": {"w": value}}, tmp_path / "x.safetensors", "x.pth")
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_written(tmp_path):
    state = nn.Linear(3, 2).state_dict()
    with pytest.raises(InputError, match=r"must end in .safetensors"):
        pack_weights(state, tmp_path / "x.pth", "x")
    with pytest.raises(InputError, match=r"more than the 100 of --max-bytes"):
        pack_weights(state, tmp_path / "x.safetensors", "x", max_bytes=100)
    with pytest.raises(InputError, match="no weights"):
        pack_weights({"state_dict": {}}, tmp_path / "x.safetensors", "x")
    assert not list(tmp_path.iterdir())


def test_the_samples_of_a_memory_are_left_out(tmp_path):
    """And are restored with the same counts, also with the strict comparison of keys."""
    memory = AssignmentMemory(2, 3, size=50)
    memory.update(torch.tensor([0, 0, 1]), torch.tensor([1, 1, 2]), per_class=3)
    content = {"state_dict": nn.ModuleDict({"memory": memory}).state_dict()}
    pack_weights(content, tmp_path / "memory.safetensors", "x.pth")
    assert not [
        k for k in read_checkpoint(tmp_path / "memory.safetensors")["state_dict"] if "slots" in k
    ]
    other = nn.ModuleDict({"memory": AssignmentMemory(2, 3, size=50)})
    load_checkpoint_strict(other, tmp_path / "memory.safetensors")
    assert torch.equal(other["memory"].counts, memory.counts)
    assert torch.equal(other["memory"].log_weights, memory.log_weights)
