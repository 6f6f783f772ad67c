import argparse
import os
import sys

import pytest
import torch
from mmengine.registry import Registry
from torch.utils.data import DataLoader, Dataset

from mmosr.utils import InputError
from mmosr.utils.cli import add_common_arguments, run_tool, tool_command
from mmosr.utils.errors import explain

PARTS = Registry("part")


@PARTS.register_module()
class Part:
    def __init__(self, size):
        if size < 0:
            raise ValueError(f"size {size} is\nnegative")
        assert size < 9, "size is too large"
        if size == 5:
            {}["a bug"]


def fail(error):
    def main():
        raise error

    return main


def build(**cfg):
    return lambda: PARTS.build(cfg)


@pytest.mark.parametrize(
    ("main", "line"),
    [
        (fail(InputError("a b\n c")), "a b c"),
        (fail(FileNotFoundError(2, "No such file", "x.png")), "No such file: x.png"),
        (fail(PermissionError(13, "Permission denied", "x")), "Permission denied: x"),
        (build(type="Prat"), "Prat is not in the "),
        (build(type="Part", sise=1), "unexpected keyword argument 'sise': remove sise; if it"),
        (build(type="Part", sise=1), "write _delete_=True next to the new type"),
        (build(type="Part"), "missing 1 required positional argument: 'size'"),
        (build(type="Part", size=-1), "size -1 is negative"),
        (build(type="Part", size=9), "size is too large"),
    ],
)
def test_errors_of_the_user_are_one_line(capsys, main, line):
    assert run_tool(main) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "main",
    [
        fail(KeyError("a")),
        fail(ValueError("a")),
        fail(TypeError("f() got an unexpected keyword argument 'x'")),
        fail(RuntimeError("a")),
        build(type="Part", size=5),
    ],
)
def test_faults_of_the_program_keep_their_traceback(capsys, main):
    assert run_tool(main) == 1
    assert "Traceback" in capsys.readouterr().err


def test_debug_keeps_every_traceback(capsys, monkeypatch):
    monkeypatch.setenv("MMOSR_DEBUG", "1")
    assert run_tool(fail(InputError("a"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_success():
    assert run_tool(lambda: None) == 0


class Broken(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("label file x.png: bad"), "label file x.png: bad"),
        (AssertionError("wrong size"), "wrong size"),
        (ZeroDivisionError("a fault"), None),
    ],
)
def test_errors_of_data_loader_workers(error, expected):
    with pytest.raises(type(error)) as info:
        next(iter(DataLoader(Broken(error), num_workers=1)))
    assert "Traceback" in str(info.value)  # this is what torch makes of it
    assert explain(info.value) == expected


def test_a_batch_too_small_for_batch_normalisation():
    with pytest.raises(ValueError) as info:
        torch.nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))
    assert "train_dataloader.batch_size=2" in explain(info.value)


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_common_arguments(parser)
    return parser.parse_args(arguments)


def test_options_are_those_of_openmmlab(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    args = parse("--cfg-options", "a.b=1", "c=[(1,2)]", "d=x,None", "--local-rank", "3")
    assert args.cfg_options == {"a.b": 1, "c": [(1, 2)], "d": ["x", None]}
    assert args.local_rank == 3 and args.launcher == "none" and not args.trust_checkpoint
    assert os.environ == {"LOCAL_RANK": "3"}  # where mmengine looks


@pytest.mark.parametrize("option", ["a.b", "a=[1,2"])
def test_a_bad_option_is_a_usage_error(capsys, option):
    with pytest.raises(SystemExit, match="2"):
        parse("--cfg-options", option)
    assert "--cfg-options" in capsys.readouterr().err.splitlines()[-1]


def test_the_launcher_knows_the_rank_better(monkeypatch):
    monkeypatch.setattr(os, "environ", {"LOCAL_RANK": "1"})
    assert parse().local_rank == 0 and os.environ == {"LOCAL_RANK": "1"}


@pytest.mark.parametrize(
    ("started", "expected"),
    [("tools/train.py", "python tools/fit_score.py"), ("mmosr train", "mmosr fit")],
)
def test_another_tool_is_named_as_this_one_was_started(monkeypatch, started, expected):
    monkeypatch.setattr(sys, "argv", [started])
    assert tool_command("fit_score", "fit") == expected
