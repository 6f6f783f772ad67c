"""The order of the weights in memory while a runner works."""

import torch
from torch import nn

from mmosr.engine import ChannelsLastHook


class Runner:
    def __init__(self, model):
        self.model = model


def test_same_parameters_in_another_order():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3))
    parameters = list(model.parameters())  # as an optimiser that was built before holds them
    inputs = torch.randn(2, 3, 9, 9)
    expected = model(inputs)
    ChannelsLastHook().before_run(Runner(model))
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert model[2].weight.is_contiguous(memory_format=torch.channels_last)
    found = model(inputs)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    found.sum().backward()
    assert parameters[0].grad is not None
