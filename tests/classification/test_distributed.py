"""Two real processes train image models with mmengine's runner and end with the same model."""

import os
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.nn.parallel import DistributedDataParallel

import mmosr.engine  # noqa: F401  registers hooks and optimisers
from mmosr.config.pipelines import fit_dataloader
from mmosr.engine.checkpoint import unwrap
from mmosr.engine.fit import fit_statistics
from mmosr.registry import MODELS

from .m2iosr_toy import INFORMATION, SIZE, J
from .toy import HEADS, OPEN_SET, C, images, labelled

COUNT, BATCH, STEPS = 22, 4, 5
PROSER = dict(type="mmosr.PROSERClsHead", classifier=dict(num_placeholders=2))


@DATASETS.register_module(name="TestRankImages", force=True)
class RankImages(torch.utils.data.Dataset):
    """Square noise images on a colour per class."""

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        label = (index * index + index // 3) % C
        noise = 0.3 * torch.randn(3, SIZE, SIZE, generator=generator)
        inputs = noise + torch.eye(C, 3)[label, :, None, None]
        sample = DataSample(metainfo=dict(img_path=f"{index}.png")).set_gt_label(label)
        return dict(inputs=inputs, data_samples=sample)


def model_config(method):
    if method == "m2iosr":
        return dict(
            type="mmosr.M2IOSR",
            backbone=dict(type="mmosr.TestMapBackbone"),
            head=dict(type="LinearClsHead", in_channels=J, num_classes=C),
            information=INFORMATION,
        )
    config = dict(
        type="mmosr.OpenSetImageClassifier",
        backbone=dict(type="mmosr.TestImageBackbone"),
        head=dict(PROSER if method == "proser" else HEADS[method], **OPEN_SET),
    )
    if method == "movr":
        config["rotation_head"] = dict(type="mmosr.RotationHead")
    if method == "lgmm":
        config["head"]["classifier"] = dict(HEADS["lgmm"]["classifier"], class_prior="count")
    if method == "proser":
        config.update(type="mmosr.PROSER", mix_at="conv")
    return config


def make_config(method, folder, world_size):
    loader = dict(dataset=dict(type="TestRankImages"), num_workers=0)
    wrapper = "mmosr.TwoPhaseDistributedDataParallel"
    if method != "m2iosr":
        wrapper = "MMDistributedDataParallel"
    optimizer = dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
    if method == "lgmm":
        optimizer["constructor"] = "mmosr.MixtureOptimWrapperConstructor"
    return Config(
        dict(
            default_scope="mmpretrain",
            model=model_config(method),
            model_wrapper_cfg=dict(type=wrapper, broadcast_buffers=False, device_ids=None),
            work_dir=str(folder),
            experiment_name=f"{method}_{world_size}",
            train_dataloader=dict(
                loader,
                batch_size=BATCH * (3 - world_size),  # the same images per step on one process
                sampler=dict(type="InfiniteSampler", shuffle=True),
            ),
            fit_dataloader=dict(loader, batch_size=3),
            optim_wrapper=optimizer,
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=STEPS),
            default_hooks=dict(
                logger=dict(type="LoggerHook", interval=1),
                checkpoint=dict(type="CheckpointHook", interval=100, by_epoch=False),
            ),
            custom_hooks=[dict(type="mmosr.StepSeedHook"), dict(type="mmosr.FitHook")],
            randomness=dict(seed=3),
            log_processor=dict(by_epoch=False, window_size=1),
            log_level="ERROR",
            launcher="pytorch" if world_size == 2 else "none",
        )
    )


def arrays(model):
    """A copy of the state dict that travels between processes."""
    return {name: value.cpu().numpy().copy() for name, value in model.state_dict().items()}


def train(rank, method, folder, world_size=2):
    """The state at the start and at the end, and the losses of the steps."""
    torch.manual_seed(0)
    with patch.dict(os.environ, LOCAL_RANK=str(rank)):
        runner = Runner.from_cfg(make_config(method, folder, world_size))
    assert isinstance(runner.model, DistributedDataParallel) == (world_size == 2)
    start = arrays(unwrap(runner.model))
    runner.train()
    losses = {
        name: scalar.data[0].tolist()
        for name, scalar in runner.message_hub.log_scalars.items()
        if name.startswith("train/loss")
    }
    return start, arrays(unwrap(runner.model)), losses


def own_of_a_rank(name):
    """Batch norm without synchronisation: each rank has the running means of its images."""
    return "running_" in name


@pytest.fixture(scope="module")
def trained(on_two_ranks, tmp_path_factory):
    """Per method: its folder and the results of both ranks; each is trained once."""

    @lru_cache
    def on_both(method):
        folder = tmp_path_factory.mktemp(method)
        return folder, on_two_ranks(train, method, str(folder))

    return on_both


@pytest.mark.parametrize("method", ["lgmm", "cac", "movr", "m2iosr", "proser"])
def test_both_ranks_have_one_model(trained, method):
    _, ((start, state, losses), (_, other, other_losses)) = trained(method)
    assert state.keys() == other.keys()
    for name, value in state.items():
        assert np.isfinite(value).all(), name
        if not own_of_a_rank(name):
            assert (value == other[name]).all(), name
    init_default_scope("mmpretrain")
    for name, _ in MODELS.build(model_config(method)).named_parameters():
        before_norm = name == "backbone.first.0.bias"  # which takes it away
        assert before_norm or (state[name] != start[name]).any(), name
    assert losses.keys() == other_losses.keys()
    for name, values in losses.items():
        assert len(values) == STEPS and np.isfinite(values).all(), name
    assert losses["train/loss"] != other_losses["train/loss"], "each rank has images of its own"


@pytest.mark.parametrize("method", ["cac", "movr"])
def test_one_process_with_all_images_trains_the_same(trained, tmp_path, method):
    """Methods without random draws and without pairs of images in a batch."""
    _, ((_, state, _), _) = trained(method)
    _, expected, _ = train(0, method, tmp_path, world_size=1)
    assert expected.keys() == state.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_counts_of_lgmm(trained):
    """Every image of both ranks counts once; agreement of the ranks is tested above."""
    _, ((_, state, _), _) = trained("lgmm")
    seen = state["head.classifier.memory.class_counts"]
    assert seen.sum() == 2 * BATCH * STEPS and (seen > 0).all()
    counts = state["head.classifier.memory.counts"]
    np.testing.assert_array_equal(counts.sum(1), seen)


def test_anchors_of_cac(trained):
    """The hook's statistics on two ranks equal those of one process on the union of the images."""
    folder, ((_, state, _), _) = trained("cac")
    init_default_scope("mmpretrain")
    config = make_config("cac", folder, 1)
    model = MODELS.build(config.model)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    assert model.classifier.fitted
    model.classifier.reestimated_anchors.zero_()
    fit_statistics(model, {"train": Runner.build_dataloader(fit_dataloader(config))})
    found = state["head.classifier.reestimated_anchors"]
    expected = model.classifier.reestimated_anchors.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(found - state["head.classifier.anchors"]).max() > 1
    (path,) = Path(folder).glob("*.pth")
    saved = torch.load(path, map_location="cpu", weights_only=False)["state_dict"]
    assert (saved["head.classifier.reestimated_anchors"].numpy() == found).all()


# --- PROSER where a rank has no pair of images --------------------------------------------------

PAIRS = [[0, 1, 2, 3, 0, 1], [3, 2, 1, 0, 0, 0]]  # the second half of rank 1 is of one class


def proser():
    init_default_scope("mmpretrain")
    torch.manual_seed(0)
    return MODELS.build(dict(model_config("proser"), mix_weight=1.0))


def proser_losses(model, rank):
    torch.manual_seed(7)
    return model(images(6, seed=rank), labelled(torch.tensor(PAIRS[rank])), mode="loss")


def proser_gradients(rank):
    model = proser()
    wrapped = MMDistributedDataParallel(model)  # kept: without it the gradients stay apart
    losses = proser_losses(wrapped, rank)
    sum(losses.values()).backward()
    gradients = {name: value.grad.numpy() for name, value in model.named_parameters()}
    return losses["loss_mixed"].item(), gradients


def test_proser_where_a_rank_has_no_pair(on_two_ranks):
    results = on_two_ranks(proser_gradients)
    assert results[0][0] > 0 == results[1][0]
    model = proser()
    for rank in range(2):
        (sum(proser_losses(model, rank).values()) / 2).backward()
    for name, parameter in model.named_parameters():
        for _, found in results:
            np.testing.assert_allclose(found[name], parameter.grad, rtol=1e-4, atol=1e-6)
