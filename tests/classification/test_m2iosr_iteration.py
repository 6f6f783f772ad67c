"""M2IOSR: what each of the two updates of an iteration changes."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper

from mmosr.utils import InputError

from .m2iosr_toy import FIRST, SECOND, SGD, C, batch, build, parts, stacked
from .toy import random_labels

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")


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
