"""M2IOSR: losses by value, and what each of the two updates of an iteration moves."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import DATASETS, MODEL_WRAPPERS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from mmosr.classification import TwoPhaseDistributedDataParallel
from mmosr.registry import MODELS as MMOSR_MODELS
from mmosr.utils import InputError

from .toy import fit, images, labelled, predict, random_labels

C, J, TOP, SIZE = 4, 5, 7, 12
INFORMATION = dict(map_channels=(4, 6), map_size=6, hidden=8, conv_channels=(3, 3))
SGD = dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.01)
FIRST, SECOND = ("backbone", "information", "gaussians"), ("backbone", "head")
CONFIG = Path(__file__).parents[2] / "configs" / "_base_" / "models" / "m2iosr_vgg13.py"
pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


@MMOSR_MODELS.register_module(name="TestMapBackbone", force=True)
class MapBackbone(nn.Module):
    """The interface of CROSRVGG13 on images of 12 x 12: maps of 6 x 6 and 3 x 3."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Tanh())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.Tanh())
        self.third = nn.Conv2d(6, TOP, 3)
        self.latent = nn.Linear(TOP, J)

    def maps(self, x):
        wide = self.first(x)
        narrow = self.second(wide)
        return wide, narrow, self.third(narrow).flatten(1)

    def forward(self, x):
        wide, narrow, top = self.maps(x)
        return wide, narrow, self.latent(top)


def build(seed=0, **options):
    init_default_scope("mmpretrain")
    torch.manual_seed(seed)
    config = dict(
        type="mmosr.M2IOSR",
        backbone=dict(type="mmosr.TestMapBackbone"),
        head=dict(type="LinearClsHead", in_channels=J, num_classes=C),
        information=INFORMATION,
    )
    model = MODELS.build({**config, **options})
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.train()


def batch(count=6, seed=0, labels=None):
    labels = random_labels(count, C, seed) if labels is None else labels
    return dict(inputs=list(images(count, (SIZE, SIZE), seed)), data_samples=labelled(labels))


def stacked(data):
    labels = torch.cat([sample.gt_label for sample in data["data_samples"]])
    return torch.stack(data["inputs"]), labels


def parts(model):
    """Names of parameters by part of the model."""
    return {name: name.split(".")[0] for name, _ in model.named_parameters()}


class TestFirstPhase:
    @pytest.mark.parametrize("sample_latent", [True, False])
    def test_losses_by_value(self, sample_latent):
        weights = dict(global_weight=0.4, local_weight=0.9, scale_weights=(0.2, 0.5, 0.3))
        model = build(
            information={**INFORMATION, **weights}, kl_weight=0.25, sample_latent=sample_latent
        )
        data = batch()
        inputs, labels = stacked(data)
        torch.manual_seed(7)
        found = model(inputs, data["data_samples"], mode="max_min")
        wide, narrow, top = model.backbone.maps(inputs)
        mean = model.backbone.latent(top)
        deviation = (0.5 * model.gaussians.log_variance(top)).exp()
        torch.manual_seed(7)
        latent = mean + deviation * torch.randn(6, J) if sample_latent else mean
        estimates = model.information(wide, narrow, latent)
        local = 0.2 * estimates["1t16"] + 0.5 * estimates["1t4"] + 0.3 * estimates["4t4"]
        expected = -(0.4 * estimates["global"] + 0.9 * local)
        torch.testing.assert_close(found["loss_information"], expected)
        layer = model.gaussians.class_mean
        prior = F.one_hot(labels, C).float() @ layer.weight.T + layer.bias
        kl = kl_divergence(Normal(mean, deviation), Normal(prior, 1.0)).sum(1).mean()
        torch.testing.assert_close(found["loss_kl"], 0.25 * kl)
        torch.testing.assert_close(found["kl"], kl)
        for name, value in estimates.items():
            torch.testing.assert_close(found[f"mi_{name}"], value)
        logged = {"kl", "mi_global", "mi_1t16", "mi_1t4", "mi_4t4"}
        assert found.keys() == {"loss_information", "loss_kl", *logged}
        assert not any(found[name].requires_grad for name in logged)

    @pytest.mark.parametrize(("phase", "moved"), [("max_min", FIRST), ("classification", SECOND)])
    def test_gradients(self, phase, moved):
        model, data = build(), batch()
        losses = model(stacked(data)[0], data["data_samples"], mode=phase)
        model.parse_losses(losses)[0].backward()
        for name, parameter in model.named_parameters():
            if parts(model)[name] in moved:
                before_norm = name == "backbone.first.0.bias"  # which takes it away
                assert before_norm or parameter.grad.abs().sum() > 1e-6, name
            else:
                assert parameter.grad is None, name

    def test_second_phase_is_the_cross_entropy_of_the_mean(self):
        model, data = build(), batch()
        inputs, labels = stacked(data)
        loss = model(inputs, data["data_samples"], mode="classification")["loss"]
        logits = model.head.fc(model.backbone(inputs)[2])
        torch.testing.assert_close(loss, F.cross_entropy(logits, labels))

    def test_one_image_is_refused(self):
        with pytest.raises(InputError, match="2 or more images in a batch"):
            build().eval().max_min_loss(images(1, (SIZE, SIZE)), labelled(torch.tensor([0])))

    @pytest.mark.parametrize("label", [-1, C])
    def test_unknown_images_never_reach_training(self, label):
        model = build()
        wrapper = build_optim_wrapper(model, dict(optimizer=SGD))
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(InputError, match=f"2.png has label {label}, and .* are 0 to 3"):
            model.train_step(batch(labels=torch.tensor([0, 1, label, 2, 3, 0])), wrapper)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


class RecordingOptimWrapper(OptimWrapper):
    """Keep the parameters after each step."""

    def __init__(self, model, **kwargs):
        super().__init__(**kwargs)
        self.model, self.states = model, []
        self.record()

    def record(self):
        self.states.append({k: v.detach().clone() for k, v in self.model.named_parameters()})

    def step(self, **kwargs):
        super().step(**kwargs)
        self.record()


class TestIteration:
    def test_which_parameters_move_in_which_phase(self):
        model = build()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        wrapper = RecordingOptimWrapper(model, optimizer=optimizer)
        for step in range(3):
            model.train_step(batch(seed=step), wrapper)
        assert len(wrapper.states) == 7
        for index in range(6):
            moved = (FIRST, SECOND)[index % 2]
            for name, part in parts(model).items():
                same = torch.equal(wrapper.states[index][name], wrapper.states[index + 1][name])
                assert same is (part not in moved), (index, name)

    def test_equals_two_updates_by_hand(self):
        model, data = build(), [batch(seed=step) for step in range(3)]
        twin = copy.deepcopy(model)
        wrapper = build_optim_wrapper(model, dict(optimizer=SGD))
        torch.manual_seed(5)
        for one in data:
            model.train_step(copy.deepcopy(one), wrapper)
        optimizer = torch.optim.SGD(twin.parameters(), **{k: SGD[k] for k in list(SGD)[1:]})
        torch.manual_seed(5)
        for one in data:
            inputs, samples = torch.stack(one["inputs"]), one["data_samples"]
            losses = twin.max_min_loss(inputs, samples)
            (losses["loss_information"] + losses["loss_kl"]).backward()
            optimizer.step()
            optimizer.zero_grad()
            twin.head.loss(twin.backbone(inputs), samples)["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()
        for name, value in twin.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-6, atol=1e-7)
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_log(self):
        model, data = build(kl_weight=0.5), batch()
        twin = copy.deepcopy(model)
        torch.manual_seed(2)
        log = model.train_step(copy.deepcopy(data), build_optim_wrapper(model, dict(optimizer=SGD)))
        torch.manual_seed(2)
        expected = twin.max_min_loss(torch.stack(data["inputs"]), data["data_samples"])
        for name, value in expected.items():
            torch.testing.assert_close(log[name], value)
        first, second = log["loss_max_min"], log["loss_classification"]
        torch.testing.assert_close(first, log["loss_information"] + log["loss_kl"])
        torch.testing.assert_close(log["loss"], first + second)
        assert log.keys() == {"loss", "loss_max_min", "loss_classification", *expected}
        assert next(iter(log)) == "loss"

    def test_information_rises_and_classes_are_learnt(self):
        model = build()
        wrapper = build_optim_wrapper(model, dict(optimizer=dict(type="Adam", lr=1e-2)))
        colours, first = 3 * torch.eye(C, 3)[:, :, None, None] - 1, None
        for step in range(120):
            labels = random_labels(16, C, step)
            data = batch(16, step, labels)
            data["inputs"] = [
                colours[y] + 0.3 * x for x, y in zip(data["inputs"], labels, strict=True)
            ]
            log = model.train_step(data, wrapper)
            first = first or log
        for name in ("mi_global", "mi_1t16", "mi_1t4", "mi_4t4"):
            assert first[name] + 0.2 < log[name] < 0, name
        assert log["kl"] < first["kl"] and log["loss_classification"] < 0.1

    def test_bfloat16(self):
        model, data = build(), batch()
        twin, logs = copy.deepcopy(model), []
        for one, kind in ((model, "OptimWrapper"), (twin, "mmosr.BFloat16OptimWrapper")):
            torch.manual_seed(1)
            wrapper = build_optim_wrapper(one, dict(type=kind, optimizer=SGD))
            logs.append(one.train_step(copy.deepcopy(data), wrapper))
        for name, value in logs[0].items():
            assert logs[1][name].dtype == torch.float32
            torch.testing.assert_close(logs[1][name], value, rtol=0.03, atol=0.01)
        assert logs[1]["loss_information"] != logs[0]["loss_information"]

    def test_accumulation_is_refused(self):
        model = build()
        wrapper = build_optim_wrapper(model, dict(optimizer=SGD, accumulative_counts=2))
        with pytest.raises(InputError, match="two phases would add up: remove .*accumulative"):
            model.train_step(batch(), wrapper)

    def test_dict_of_wrappers_is_refused(self):
        model = build()
        wrapper = OptimWrapperDict(all=build_optim_wrapper(model, dict(optimizer=SGD)))
        with pytest.raises(InputError, match="one optimiser: give optim_wrapper one optimizer"):
            model.train_step(batch(), wrapper)

    def test_a_loop_of_one_phase_is_refused(self):
        data = batch()
        with pytest.raises(InputError, match="TwoPhaseDistributedDataParallel"):
            build()(stacked(data)[0], data["data_samples"], mode="loss")


class TestModel:
    def test_prediction_and_score(self):
        model = build().eval()
        inputs = images(6, (SIZE, SIZE))
        logits = model.head.fc(model.backbone(inputs)[2])
        assert torch.equal(model(inputs), logits)
        for sample, row in zip(predict(model, inputs), logits.softmax(1), strict=True):
            torch.testing.assert_close(sample.pred_score, row)
            assert sample.pred_label.tolist() == [row.argmax().item()]
            assert list(sample.anomaly_scores) == ["msp"]
            torch.testing.assert_close(sample.anomaly_score, 1 - row.max())

    def test_post_hoc_scores(self):
        model = build(score=["energy", "mahalanobis"]).eval()
        seen, labels = images(40, (SIZE, SIZE), seed=3), random_labels(40, C)
        fit(model, (seen, labels))
        inputs = images(6, (SIZE, SIZE))
        with torch.no_grad():
            new, rows = (model.backbone(x)[2].double().numpy() for x in (inputs, seen))
            energy = -model(inputs).logsumexp(1)
        means = np.stack([rows[labels.numpy() == c].mean(0) for c in range(C)])
        residual = rows - means[labels.numpy()]
        covariance = residual.T @ residual / len(rows)
        covariance = 0.999 * covariance + 0.001 * np.trace(covariance) / J * np.eye(J)
        gap = new[:, None] - means
        expected = np.einsum("ncd,de,nce->nc", gap, np.linalg.inv(covariance), gap).min(1)
        for index, sample in enumerate(predict(model, inputs)):
            torch.testing.assert_close(sample.anomaly_score, energy[index])
            found = sample.anomaly_scores["mahalanobis"].item()
            np.testing.assert_allclose(found, expected[index], rtol=1e-3)

    def test_other_backbones_are_refused(self):
        with pytest.raises(InputError, match="OSRCINet has none: use mmosr.CROSRVGG13"):
            build(backbone=dict(type="mmosr.OSRCINet"))

    def test_mixing_augmentations_are_refused(self):
        augments = dict(augments=[dict(type="Mixup", alpha=0.8)])
        with pytest.raises(InputError, match="M2IOSR needs one class an image: remove MixUp"):
            build(
                train_cfg=augments,
                data_preprocessor=dict(num_classes=C),
            )

    def test_negative_kl_weight(self):
        with pytest.raises(ValueError, match="kl_weight must be 0 or above, got -1"):
            build(kl_weight=-1)

    def test_config(self):
        config = Config.fromfile(CONFIG).model
        config.head.num_classes = 10
        model = MODELS.build(config)

        def count(*modules):
            return sum(p.numel() for module in modules for p in module.parameters())

        # Table 7, 9,428k for softmax and 9,444k for M2IOSR, counts a bias of each convolution,
        # which has no effect before a batch norm, and no discriminators.
        softmax = count(model.backbone, model.head) + 2 * (64 + 128 + 256 + 512 + 512)
        assert round(softmax / 1000) == 9428
        assert round((softmax + count(model.gaussians.log_variance)) / 1000) == 9444
        model.init_weights()
        inputs, samples = images(3, (32, 32)), labelled(torch.tensor([1, 0, 9]))
        losses = model.train()(inputs, samples, mode="max_min")
        model.parse_losses(losses)[0].backward()
        assert all(p.grad is not None for p in model.information.parameters())


@DATASETS.register_module(name="TestLabelledImages", force=True)
class LabelledImages(torch.utils.data.Dataset):
    """Images of noise on a colour for each class."""

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
