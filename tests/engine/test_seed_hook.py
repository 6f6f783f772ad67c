"""Tests of the seeding that makes a resumed run draw the same as an uninterrupted one."""

from types import SimpleNamespace

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from mmosr.engine import StepSeedHook

MASKS = []


class DropoutModel(BaseModel):
    """Record the dropout mask of each training step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)  # it is made before the runner seeds
        self.linear = nn.Linear(4, 1)

    def forward(self, inputs, mode="tensor"):
        mask = nn.functional.dropout(torch.ones(20), 0.5)
        MASKS.append(mask)
        return {"loss": (self.linear(torch.stack(inputs)) * mask.mean()).square().mean()}


def train(folder, steps, resume=False, seed=3):
    """Train to ``steps`` with a checkpoint at each; return the masks and the weights."""
    MASKS.clear()
    runner = Runner(
        model=DropoutModel(),
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=[{"inputs": torch.arange(4.0) + i} for i in range(8)],
            sampler=dict(type="InfiniteSampler", shuffle=True),
            batch_size=2,
            collate_fn=dict(type="pseudo_collate"),
        ),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=1e-3)),
        train_cfg=dict(by_epoch=False, max_iters=steps),
        default_hooks=dict(
            logger=None, checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=False)
        ),
        custom_hooks=[dict(type="mmosr.StepSeedHook")],
        randomness=dict(seed=seed),
        resume=resume,
        experiment_name=f"{folder.name}_{steps}_{resume}_{seed}",
        log_level="ERROR",
    )
    runner.train()
    return list(MASKS), runner.model.linear.weight.detach().clone()


def test_resumed_run_draws_the_same(tmp_path):
    masks, weight = train(tmp_path / "whole", 6)
    assert len({tuple(mask.tolist()) for mask in masks}) == 6
    first, _ = train(tmp_path / "broken", 2)
    # Another history of random numbers before the rest.
    torch.rand(17)
    rest, resumed = train(tmp_path / "broken", 6, resume=True)
    assert len(rest) == 4
    assert all(torch.equal(a, b) for a, b in zip(masks, first + rest, strict=True))
    assert torch.equal(weight, resumed)
    other, _ = train(tmp_path / "other", 2, seed=4)
    assert not torch.equal(other[0], masks[0])


def draw(step=0, rank=0, world_size=2, seed=0):
    runner = SimpleNamespace(iter=step, rank=rank, world_size=world_size, seed=seed)
    StepSeedHook().before_train_iter(runner, batch_idx=0)
    return torch.rand(4)


def test_steps_ranks_and_seeds_differ():
    drawn = [
        tuple(draw(step, rank, seed=seed).tolist())
        for seed in (0, 1, 2, 2**31 - 1)
        for step in range(20)
        for rank in (0, 1)
    ]
    assert len(set(drawn)) == len(drawn)
    assert torch.equal(draw(7, 1, seed=5), draw(7, 1, seed=5))


def test_streams_are_not_correlated():
    rows = torch.stack([draw(step) for step in range(500)]) - 0.5
    covariance = 12 * rows.T @ rows / 500
    torch.testing.assert_close(covariance, torch.eye(4), rtol=0, atol=0.2)
    following = 12 * (rows[1:] * rows[:-1]).mean(0)
    assert following.abs().max() < 0.2


def test_it_runs_before_other_hooks():
    hook = HOOKS.build(dict(type="mmosr.StepSeedHook"))
    assert hook.priority == "VERY_HIGH" and isinstance(hook, Hook)
