"""The data of a protocol in the config of a method, and what training depends on."""

from itertools import product
from pathlib import Path

import pytest
from mmengine.config import Config

from mmosr.benchmark.images.config import method_config, trial_config
from mmosr.benchmark.images.protocols import load_image_protocol
from mmosr.benchmark.images.training import training_differences, training_hash
from mmosr.utils import InputError

ROOT = Path(__file__).parents[3]
METHOD = """
default_scope = "mmpretrain"
test_pipeline = [dict(type="Old")]
model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(mean=[1.0] * 3, std=[1.0] * 3, to_rgb=False),
    backbone=dict(type="LeNet5"),
    head=dict(
        type="LinearClsHead", num_classes=7, in_channels=84,
        loss=dict(type="LabelSmoothLoss", label_smooth_val=0.1, num_classes=7), topk=(1, 7)))
train_dataloader = dict(
    batch_size=64, num_workers=9, drop_last=True, sampler=dict(type="Own"),
    dataset=dict(type="Old", pipeline=[]))
val_dataloader = dict(batch_size=8, dataset=dict(type="Old"))
test_dataloader = dict(batch_size=8, dataset=dict(type="Old"))
fit_dataloader = dict(batch_size=3)
val_evaluator = test_evaluator = dict(type="Accuracy", topk=1)
val_cfg = test_cfg = dict()
train_cfg = dict(type="IterBasedTrainLoop", max_iters=10)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1))
"""
DATA = """
steps = [dict(type="PackInputs")]
data_preprocessor = dict(mean=[5.0] * 3, std=[6.0] * 3, to_rgb=True)
new = dict(type="New", class_split="protocol_a/cifar10", trial=0)
train_dataloader = dict(
    batch_size=128, num_workers=2, sampler=dict(type="Theirs"),
    dataset=dict(pipeline=steps, **new))
val_dataloader = dict(batch_size=250, dataset=dict(pipeline=steps, **new))
test_dataloader = dict(batch_size=250, dataset=dict(pipeline=steps, **new))
val_evaluator = test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
"""


@pytest.fixture
def files(tmp_path):
    def write(method=METHOD, data=DATA):
        (tmp_path / "method.py").write_text(method)
        (tmp_path / "data.py").write_text(data)
        return tmp_path / "method.py", load_image_protocol("cifar10_6-4"), tmp_path / "data.py"

    return write


class TestReplaceData:
    def test_the_data_are_those_of_the_file(self, files):
        path, protocol, data = files()
        cfg, theirs = method_config(path, protocol, data), Config.fromfile(data)
        assert cfg.train_dataloader == dict(
            batch_size=64,  # the method's, with the sampler
            num_workers=2,
            drop_last=True,
            sampler=dict(type="Own"),
            dataset=theirs.train_dataloader.dataset,
        )
        for key in ("val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator"):
            assert cfg[key] == theirs[key]
        assert cfg.model.data_preprocessor == cfg.data_preprocessor == theirs.data_preprocessor
        assert "fit_dataloader" not in cfg and "test_pipeline" not in cfg
        assert cfg.optim_wrapper == Config.fromfile(path).optim_wrapper

    def test_number_of_classes(self, files):
        head = method_config(*files()).model.head
        assert head.num_classes == head.loss.num_classes == 6
        assert head.topk == (1, 7) and head.in_channels == 84 and head.loss.label_smooth_val == 0.1

    def test_number_of_classes_of_a_network_that_ends_in_its_class_scores(self, files):
        method = METHOD.replace('"LinearClsHead", num_classes=7, in_channels=84', '"ClsHead"')
        method = method.replace('type="LeNet5"', 'type="LeNet5", num_classes=7')
        assert method_config(*files(method)).model.backbone.num_classes == 6

    def test_options_come_last(self, files):
        options = {
            "train_dataloader.batch_size": 16,
            "test_dataloader.batch_size": 4,
            "data_preprocessor.to_rgb": False,
            "model.head.in_channels": 3,
        }
        cfg = method_config(*files(), cfg_options=options)
        assert cfg.train_dataloader.batch_size == 16 and cfg.test_dataloader.batch_size == 4
        assert cfg.model.data_preprocessor == dict(mean=[5.0] * 3, std=[6.0] * 3, to_rgb=False)
        assert cfg.model.head.in_channels == 3

    @pytest.mark.parametrize(
        ("sampler", "kept"),
        [
            ("mmosr.SeededInfiniteSampler", True),
            ("InfiniteSampler", False),
            ("DefaultSampler", False),
        ],
    )
    @pytest.mark.parametrize("by_option", [False, True])
    def test_seeds_of_draws_that_the_sampler_does_not_give(self, files, sampler, kept, by_option):
        steps = '[dict(type="mmosr.SeedDraw"), dict(type="PackInputs")]'
        data = DATA.replace("steps = ", f"augmented = {steps}\nsteps = ").replace(
            "dataset=dict(pipeline=steps, **new))\nval",
            'dataset=dict(type="RepeatDataset", dataset=dict(pipeline=augmented, **new)))\nval',
        )
        method = METHOD if by_option else METHOD.replace('type="Own"', f'type="{sampler}"')
        options = {"train_dataloader.sampler.type": sampler} if by_option else None
        cfg = method_config(*files(method, data), cfg_options=options)
        assert cfg.train_dataloader.sampler.type == sampler
        pipeline = cfg.train_dataloader.dataset.dataset.pipeline
        seeds = [dict(type="mmosr.SeedDraw")] if kept else []
        assert pipeline == [*seeds, dict(type="PackInputs")]

    def test_a_pipeline_of_the_method_is_left_alone(self, files):
        method = METHOD.replace("pipeline=[]", 'pipeline=[dict(type="mmosr.SeedDraw")]')
        cfg = method_config(*files(method)[:2])
        assert cfg.train_dataloader.dataset.pipeline == [dict(type="mmosr.SeedDraw")]

    def test_epochs_that_never_end(self, files):
        method = METHOD.replace('"IterBasedTrainLoop", max_iters', '"EpochBasedTrainLoop", max_ep')
        options = {"train_dataloader.sampler.type": "InfiniteSampler"}
        with pytest.raises(InputError, match="InfiniteSampler never ends, but train_cfg counts"):
            method_config(*files(method), cfg_options=options)

    def test_a_method_without_data(self, files):
        method = METHOD[: METHOD.index("train_dataloader")] + METHOD[METHOD.index("val_cfg") :]
        cfg = method_config(*files(method))
        assert cfg.train_dataloader == Config.fromfile(files(method)[2]).train_dataloader

    def test_amp(self, files):
        cfg = method_config(*files(), amp=True)
        assert cfg.optim_wrapper.type == "AmpOptimWrapper"

    @pytest.mark.parametrize(
        ("method", "data", "message"),
        [
            (METHOD, DATA + "model = dict()", "data.py has a model: give a file with only data"),
            (METHOD, DATA.replace("test_e", "e"), "data.py has no 'test_evaluator'"),
            (METHOD, DATA.replace("data_p", "p"), "data.py has no 'data_preprocessor'"),
            (METHOD.replace("num_classes=7, in", "in"), DATA, "sets model.head.num_classes, which"),
            (METHOD.replace("head=", "hat="), DATA, "sets model.head.num_classes, which"),
            (METHOD.replace("optim_wrapper", "other"), DATA, "has no 'optim_wrapper'"),
        ],
    )
    def test_refused(self, files, method, data, message):
        with pytest.raises(InputError, match=message):
            method_config(*files(method, data))


class TestTrial:
    def test_seed(self, files):
        path, protocol, data = files(METHOD + "randomness = dict(seed=7, deterministic=True)")
        cfg = method_config(path, protocol, data)
        assert trial_config(cfg, protocol, 3).randomness == dict(seed=10, deterministic=True)
        assert trial_config(cfg, protocol, 3, seed=2).randomness == dict(seed=5, deterministic=True)
        assert trial_config(cfg, protocol, 3).test_dataloader.dataset.trial == 3


class TestTraining:
    """Same weights and statistics, same hash; anything else, a different one."""

    def config(self, files, options=None, scores=None, trial=0):
        path, protocol, data = files()
        cfg = method_config(path, protocol, data, cfg_options=options)
        return trial_config(cfg, protocol, trial, scores)

    @pytest.mark.parametrize(
        ("options", "scores"),
        [
            ({"test_dataloader.dataset.data_root": "elsewhere"}, ["msp"]),
            ({"test_evaluator.topk": 1}, ["msp"]),
            ({"test_dataloader.num_workers": 7}, ["msp"]),
            ({}, ["energy", "sml"]),
            ({"train_dataloader.dataset.class_split": "protocol_a/cifar10"}, ["msp"]),
        ],
    )
    def test_the_same(self, files, options, scores):
        first, second = self.config(files, scores=["msp"]), self.config(files, options, scores)
        assert training_hash(first) == training_hash(second)
        assert training_differences(first, second) == []

    @pytest.mark.parametrize(
        ("options", "trial", "differing"),
        [
            ({"optim_wrapper.optimizer.lr": 0.2}, 0, ["optim_wrapper"]),
            ({"train_dataloader.batch_size": 2}, 0, ["train_dataloader"]),
            ({"val_dataloader.dataset.x": 2}, 0, ["val_dataloader"]),
            ({"model.head.in_channels": 2}, 0, ["model"]),
            ({"data_preprocessor.mean": [2.0] * 3}, 0, ["data_preprocessor", "model"]),
            ({"test_dataloader.batch_size": 2}, 0, ["fitting"]),
            ({"test_dataloader.dataset.pipeline": [dict(type="X")]}, 0, ["fitting"]),
            ({"fit_dataloader": dict(batch_size=2)}, 0, ["fit_dataloader"]),
            ({}, 1, ["randomness"]),
        ],
    )
    def test_another(self, files, options, trial, differing):
        first = self.config(files, scores=["msp"])
        second = self.config(files, options, ["msp"], trial)
        assert training_hash(first) != training_hash(second)
        assert training_differences(first, second) == differing


GROUPS = {
    "cifar10": [
        *(f"ood_cifar10_{kind}" for kind in ("isun", "lsun-crop", "tinyimagenet-resize")),
        "cifar10_imagenet-crop",
        "cifar10_lsun-resize",
        "ccr_cifar10_svhn",
        "ccr_cifar10_cifar100",
    ],
    "mnist": ["mnist_omniglot", "mnist_mnist-noise", "mnist_noise"],
    "cifar10_6-4": ["cifar10_6-4"],
    "cifar+10": ["cifar+10"],
}


def test_protocols_that_share_their_training(files):
    """One training serves a whole group, with the shipped files."""
    path = files()[0]

    def hash_of(name):
        protocol = load_image_protocol(name)
        data = ROOT / f"configs/_base_/protocols/{name}.py"
        return training_hash(
            trial_config(method_config(path, protocol, data), protocol, 0, ["msp"])
        )

    hashes = {group: {hash_of(name) for name in names} for group, names in GROUPS.items()}
    assert all(len(found) == 1 for found in hashes.values())
    for (one, first), (other, second) in product(hashes.items(), repeat=2):
        assert one == other or first.isdisjoint(second)
