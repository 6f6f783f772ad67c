"""Training that would not end."""

import pytest
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.runner import EpochBasedTrainLoop

from mmosr.config.training_loop import check_ends
from mmosr.datasets import SeededInfiniteSampler
from mmosr.utils import InputError

EPOCHS = [
    dict(by_epoch=True, max_epochs=2),
    dict(type="EpochBasedTrainLoop", max_epochs=2),
    dict(type=EpochBasedTrainLoop, max_epochs=2),
]
ITERATIONS = [dict(by_epoch=False, max_iters=2), dict(type="IterBasedTrainLoop", max_iters=2)]
INFINITE = ["InfiniteSampler", "mmosr.SeededInfiniteSampler", SeededInfiniteSampler]


def check(sampler, loop, **more):
    loader = dict(batch_size=2, sampler=dict(type=sampler, shuffle=True))
    check_ends(Config(dict(train_dataloader=loader, train_cfg=loop, **more)))


@pytest.mark.parametrize("scope", [{}, dict(default_scope="mmpretrain")])
@pytest.mark.parametrize("loop", EPOCHS)
@pytest.mark.parametrize("sampler", INFINITE)
def test_epochs_without_an_end(sampler, loop, scope):
    name = "InfiniteSampler" if sampler == "InfiniteSampler" else "SeededInfiniteSampler"
    message = f"^train_dataloader.sampler {name} never ends, and train_cfg counts epochs: .*Default"
    with pytest.raises(InputError, match=message):
        check(sampler, loop, **scope)


@pytest.mark.parametrize("loop", ITERATIONS)
@pytest.mark.parametrize("sampler", INFINITE)
def test_iterations_end(sampler, loop):
    check(sampler, loop)


@pytest.mark.parametrize("loop", EPOCHS)
@pytest.mark.parametrize("sampler", ["DefaultSampler", DefaultSampler, "OfNobody"])
def test_epochs_that_end(sampler, loop):
    check(sampler, loop)


def test_parts_that_are_missing():
    check_ends({})
    check_ends(Config(dict(train_dataloader=dict(batch_size=1), train_cfg=EPOCHS[0])))
    check("InfiniteSampler", None)
