"""M2IOSR in mmengine's runner, resumed, and on two ranks."""

import numpy as np
import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODEL_WRAPPERS
from mmengine.runner import Runner
from mmpretrain.structures import DataSample

from mmosr.classification import TwoPhaseDistributedDataParallel
from mmosr.utils import InputError

from .m2iosr_toy import SGD, SIZE, C, batch, build

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


@DATASETS.register_module(name="TestLabelledImages", force=True)
class LabelledImages(torch.utils.data.Dataset):
    """Noise images on a colour per class."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        sample = DataSample(metainfo=dict(img_path=f"{index}.png")).set_gt_label(index % C)
        noise = torch.randn(3, SIZE, SIZE, generator=generator)
        return dict(inputs=noise + index % C, data_samples=sample)


def train(folder, steps, resume=False):
    """Train to ``steps`` with a checkpoint at each; return the state of model and optimiser."""
    loader = dict(
        dataset=dict(type="TestLabelledImages"),
        batch_size=4,
        collate_fn=dict(type="pseudo_collate"),
    )
    runner = Runner(
        model=build(),
        work_dir=str(folder),
        train_dataloader=dict(loader, sampler=dict(type="InfiniteSampler", shuffle=True)),
        test_dataloader=dict(loader, sampler=dict(type="DefaultSampler", shuffle=False)),
        test_evaluator=dict(type="mmosr.OpenSetRecognitionMetric"),
        test_cfg=dict(),
        optim_wrapper=dict(optimizer=SGD, clip_grad=dict(max_norm=5.0)),
        param_scheduler=dict(type="LinearLR", start_factor=0.1, end=6, by_epoch=False),
        train_cfg=dict(by_epoch=False, max_iters=steps),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=False)),
        custom_hooks=[dict(type="mmosr.StepSeedHook")],
        randomness=dict(seed=3),
        default_scope="mmpretrain",
        resume=resume,
        experiment_name=f"m2iosr_{folder.name}_{steps}",
        log_level="ERROR",
    )
    runner.train()
    return runner


def test_resumed_run_equals_the_unbroken_one(tmp_path):
    whole = train(tmp_path / "whole", 6)
    train(tmp_path / "broken", 2)
    torch.rand(17)
    resumed = train(tmp_path / "broken", 6, resume=True)
    assert resumed.iter == 6
    state = resumed.model.state_dict()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, state[name]), name
    momentum = [
        [entry["momentum_buffer"] for entry in runner.optim_wrapper.state_dict()["state"].values()]
        for runner in (whole, resumed)
    ]
    assert len(momentum[0]) == len(list(whole.model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*momentum, strict=True))
    start = dict(build().named_parameters())
    trained = dict(whole.model.named_parameters())
    assert not any(torch.equal(start[name], trained[name]) for name in start)
    metrics = whole.test()
    assert 0 <= metrics["accuracy/top1"] <= 100


STEPS = 3


def train_on_rank(rank):
    torch.manual_seed(0)
    model = build()
    wrapper = build_optim_wrapper(model, dict(optimizer=SGD))
    refusal = ""
    try:
        MMDistributedDataParallel(model).train_step(batch(), wrapper)
    except InputError as error:
        refusal = str(error)
    ddp = TwoPhaseDistributedDataParallel(module=model, broadcast_buffers=False)
    for step in range(STEPS):
        torch.manual_seed(10 * step + rank)
        ddp.train_step(batch(seed=10 * step + rank), wrapper)
    return refusal, {name: value.detach().numpy() for name, value in model.named_parameters()}


@pytest.fixture(scope="module")
def results(on_two_ranks):
    return on_two_ranks(train_on_rank)


class TestTwoRanks:
    def test_gradients_are_means_over_both(self, results):
        model = build()
        optimizer = torch.optim.SGD(model.parameters(), **{k: SGD[k] for k in list(SGD)[1:]})
        for step in range(STEPS):
            for phase in ("max_min", "classification"):
                for rank in range(2):
                    torch.manual_seed(10 * step + rank)
                    data = batch(seed=10 * step + rank)
                    losses = model(torch.stack(data["inputs"]), data["data_samples"], mode=phase)
                    (model.parse_losses(losses)[0] / 2).backward()
                optimizer.step()
                optimizer.zero_grad()
        for name, parameter in model.named_parameters():
            for _, found in results:
                np.testing.assert_allclose(
                    found[name], parameter.detach().numpy(), rtol=1e-4, atol=1e-6, err_msg=name
                )

    def test_both_ranks_agree(self, results):
        for name, value in results[0][1].items():
            assert (value == results[1][1][name]).all(), name

    def test_the_plain_wrapper_is_refused(self, results):
        for refusal, _ in results:
            assert "model_wrapper_cfg=dict(type='mmosr.TwoPhaseDistributedDataParallel')" in refusal


def test_wrapper_by_its_name():
    name = "mmosr.TwoPhaseDistributedDataParallel"
    assert MODEL_WRAPPERS.get(name) is TwoPhaseDistributedDataParallel
