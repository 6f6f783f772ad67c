"""The warning of --amp if it makes training slower."""

import math

import pytest
import torch
from mmengine.config import Config

from mmosr.config import machine


@pytest.fixture
def said(monkeypatch):
    """Function from the measured slowdown, and whether there is a GPU, to the warning."""

    def run(slowdown, gpu=False):
        lines = []
        monkeypatch.setattr(machine, "bfloat16_slowdown", lambda: slowdown)
        monkeypatch.setattr(machine, "print_log", lambda text, **_: lines.append(text))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        machine.enable_amp(Config(dict(optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)))))
        return lines

    return run


def test_slow_bfloat16_is_said(said):
    (line,) = said(27.04)
    assert "27 times as long in bfloat16 as in float32" in line and "leave out --amp" in line
    assert not said(1.2) and not said(27.04, gpu=True)


def test_measured_once_and_threads_are_left_as_they_are():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        machine.bfloat16_slowdown.cache_clear()
        first = machine.bfloat16_slowdown()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert 0 < first < math.inf and machine.bfloat16_slowdown() == first
