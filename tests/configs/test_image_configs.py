"""The configs of protocol A build, fit the protocol, and differ only in their method."""

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATA_SAMPLERS, HOOKS, PARAM_SCHEDULERS, init_default_scope
from mmpretrain.registry import DATASETS, MODELS

from mmosr.datasets import load_split
from mmosr.evaluation.image_protocols import load_image_protocol
from mmosr.recognition_protocol.job import trial_config
from mmosr.utils.config import load_config

from .support import LOADERS, METHODS, ROOT, leaves

NAMES = [f"{m}_osrcinet_cifar10-6-4{kind}.py" for m in METHODS for kind in ("", "_short")]
SCORES = {
    "softmax": ("msp", "max_logit", "entropy", "energy"),
    "lgmm": ("likelihood_ratio", "centred_energy", "likelihood"),
    "cac": ("cac",),
    "movr": ("movr", "max_cosine"),
}
HEADS = dict(softmax="LinearClsHead", lgmm="LGMMClsHead", cac="CACClsHead", movr="MOvRClsHead")


@pytest.fixture(scope="module", params=NAMES)
def built(request):
    init_default_scope("mmpretrain")
    cfg = load_config(ROOT / request.param)
    return request.param.split("_")[0], cfg, MODELS.build(cfg.model)


def test_all_are_here():
    assert sorted(path.name for path in ROOT.glob("*cifar10-6-4*.py")) == sorted(NAMES)


class TestEveryConfig:
    def test_model(self, built):
        method, _, model = built
        assert model.score_names == SCORES[method]
        assert model.known_classes == 6 and type(model.head).__name__ == HEADS[method]
        assert (model.rotation_head is not None) == (method == "movr")
        assert model.data_preprocessor.to_rgb  # files load as BGR
        mean, std = model.data_preprocessor.mean.flatten(), model.data_preprocessor.std.flatten()
        assert mean.tolist() == pytest.approx([125.3, 123.0, 113.9])  # of CIFAR-10, RGB
        assert std.tolist() == pytest.approx([63.0, 62.1, 66.7])

    @pytest.mark.parametrize("trial", range(5))
    def test_data_of_every_trial(self, built, trial):
        _, cfg, _ = built
        cfg = trial_config(cfg, load_image_protocol("cifar10_6-4"), trial)
        split = load_split("protocol_a/cifar10", trial)
        roles = []
        for loader in LOADERS:
            data = DATASETS.build(dict(cfg[loader].dataset, lazy_init=True))
            assert data.class_split == split
            roles.append(data.role)
            assert (data.val_fraction, data.val_seed) == (0.1, 0)
        assert roles == ["train", "val", "test"]
        assert cfg.randomness.seed == trial

    def test_pipelines(self, built):
        _, cfg, _ = built
        names = [
            [type(step).__name__ for step in Compose(cfg[loader].dataset.pipeline).transforms]
            for loader in LOADERS
        ]
        plain = ["LoadImageFromFile", "PackInputs"]
        assert names[1:] == [plain, plain]
        assert names[0] == ["SeedDraw", plain[0], "RandomCrop", "RandomFlip", plain[1]]
        assert cfg.train_dataloader.sampler.type == "mmosr.SeededInfiniteSampler"
        assert DATA_SAMPLERS.get(cfg.train_dataloader.sampler.type) is not None

    def test_schedule(self, built):
        method, cfg, model = built
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        own = [group for group in wrapper.optimizer.param_groups if "momentum" in group]
        assert all(group["momentum"] == 0.9 and group["weight_decay"] == 1e-3 for group in own)
        seen = {id(p) for group in wrapper.optimizer.param_groups for p in group["params"]}
        assert seen == {id(p) for p in model.parameters() if p.requires_grad}
        for scheduler in cfg.param_scheduler:
            assert PARAM_SCHEDULERS.build(dict(scheduler, optimizer=wrapper)) is not None
        short = cfg.filename.endswith("_short.py")
        length = cfg.train_cfg.max_iters
        assert length == (1000 if short else 20000)
        assert cfg.param_scheduler[-1].end == length and cfg.param_scheduler[0].begin == 0
        assert length % cfg.train_cfg.val_interval == 0
        assert cfg.optim_wrapper.optimizer.lr == (0.05 if short else 0.1)
        hooks = [type(HOOKS.build(hook)).__name__ for hook in cfg.custom_hooks]
        assert hooks == ["StepSeedHook", "FitHook"][: 2 if method == "cac" else 1]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("softmax")])
def test_methods_differ_only_in_method(name):
    method, rest = name.split("_", 1)
    ours = leaves(Config.fromfile(ROOT / name).to_dict())
    twin = leaves(Config.fromfile(ROOT / f"softmax_{rest}").to_dict())
    changed = {key for key in {*ours, *twin} if ours.get(key) != twin.get(key)}
    allowed = {
        "cac": ("custom_hooks.1.",),
        "lgmm": ("optim_wrapper.constructor",),
        "movr": ("model.rotation_head.",),
    }[method]
    needed = {"model.score", "model.head.type"}
    assert needed <= changed
    assert not [key for key in changed - needed if not key.startswith(allowed)]
