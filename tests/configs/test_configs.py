"""Every config builds, twins differ only where they should, and the paper's settings are there."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, HOOKS, VISUALIZERS
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from mmseg.registry import MODELS
from torch import nn

from mmosr.datasets import OpenSetSegDataset
from mmosr.methods import GaussianMixture, GaussianMixtureClassifier

pytestmark = pytest.mark.usefixtures("mmseg_scope")
ROOT = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(path.name for path in ROOT.glob("*.py"))
LGMM = [name for name in CONFIGS if name.startswith("lgmm_")]
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


@pytest.fixture(scope="module")
def built():
    """Function from a config's name to the config and its model, each built once."""
    models = {}

    def get(name):
        if name not in models:
            cfg = Config.fromfile(ROOT / name)
            models[name] = cfg, MODELS.build(cfg.model)
        return models[name]

    return get


def leaves(node, path=""):
    """All values of a nested config by their dotted path."""
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)) and any(isinstance(item, dict) for item in node):
        items = enumerate(node)
    else:
        return {path: node}
    values = {}
    for key, value in items:
        values.update(leaves(value, f"{path}.{key}" if path else str(key)))
    return values


def dataset(cfg, loader):
    """The data set of a loader without its files."""
    return DATASETS.build(dict(cfg[loader].dataset, lazy_init=True))


def test_there_are_configs():
    assert len(CONFIGS) >= 8 and len(LGMM) >= 4


@pytest.mark.parametrize("name", CONFIGS)
class TestEveryConfig:
    def test_model(self, built, name):
        cfg, model = built(name)
        assert type(model).__name__ == "OpenSetEncoderDecoder"
        scores = cfg.model.score
        assert model.score_names == tuple([scores] if isinstance(scores, str) else scores)
        size = cfg.model.data_preprocessor.get("size")
        assert model.data_preprocessor.size == size

    def test_classes_of_data_and_model_agree(self, built, name):
        cfg, model = built(name)
        for loader in LOADERS:
            data = dataset(cfg, loader)
            assert isinstance(data, OpenSetSegDataset)
            assert len(data.known_classes) == model.num_classes
            assert len(data.metainfo["palette"]) == model.num_classes
            if model.with_auxiliary_head:
                assert model.auxiliary_head.num_classes == model.num_classes
        assert not dataset(cfg, "train_dataloader").mark_unknown
        assert dataset(cfg, "test_dataloader").mark_unknown

    def test_pipelines(self, name):
        cfg = Config.fromfile(ROOT / name)
        for loader in LOADERS:
            pipeline = Compose(cfg[loader].dataset.pipeline)
            names = [type(transform).__name__ for transform in pipeline.transforms]
            assert names[-1] == "PackSegInputs"
            if loader == "train_dataloader":  # the two belong together
                assert cfg[loader].sampler.type == "mmosr.SeededInfiniteSampler"
                assert names.pop(0) == "SeedDraw"
            assert names[0] == "LoadImageFromFile"
            assert names.count("LoadOpenSetAnnotations") == 1
            if loader != "train_dataloader":
                # Labels keep their full size: nothing that resizes comes after them.
                assert names[names.index("LoadOpenSetAnnotations") + 1 :] == ["PackSegInputs"]

    def test_evaluators_and_hooks(self, name):
        cfg = Config.fromfile(ROOT / name)
        for key in ("val_evaluator", "test_evaluator"):
            (metric,) = Evaluator(cfg[key]).metrics
            assert type(metric).__name__ == "OpenSetMetric"
        Visualizer.get_instance("configs")  # the runner makes it before the hooks
        for hook in [*cfg.default_hooks.values(), *cfg.get("custom_hooks", [])]:
            assert HOOKS.build(hook) is not None
        assert isinstance(VISUALIZERS.build(dict(cfg.visualizer, vis_backends=None)), Visualizer)

    def test_optimiser_has_every_parameter_once(self, built, name):
        cfg, model = built(name)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        seen = [p for group in wrapper.optimizer.param_groups for p in group["params"]]
        expected = [p for p in model.parameters() if p.requires_grad]
        assert len(seen) == len({id(p) for p in seen}) == len(expected)
        assert {id(p) for p in seen} == {id(p) for p in expected}
        assert wrapper.param_groups[0]["lr"] == cfg.optim_wrapper.optimizer.lr
        assert wrapper.param_groups[0]["momentum"] == 0.9

    def test_schedule_spans_the_training(self, name):
        cfg = Config.fromfile(ROOT / name)
        assert cfg.train_cfg.type == "IterBasedTrainLoop"
        for before, after in pairwise(cfg.param_scheduler):
            assert before.end == after.begin
        assert cfg.param_scheduler[0].begin == 0
        assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters
        assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0


@pytest.mark.parametrize("name", LGMM)
def test_twins_differ_only_in_method(name):
    ours = leaves(Config.fromfile(ROOT / name).to_dict())
    twin = leaves(Config.fromfile(ROOT / name.replace("lgmm_", "softmax_")).to_dict())
    missing = object()
    changed = {key for key in {*ours, *twin} if ours.get(key, missing) != twin.get(key, missing)}
    allowed = {
        "model.score",
        "model.decode_head.type",
        "model.decode_head.host",
        "optim_wrapper.constructor",
    }
    assert allowed <= changed
    rest = changed - allowed
    assert not [key for key in rest if not key.startswith("model.decode_head.classifier.")]
    assert ours["model.decode_head.host"] == twin["model.decode_head.type"]


@pytest.mark.parametrize("name", LGMM)
def test_mixture_has_an_optimiser_of_its_own(built, name):
    cfg, model = built(name)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    (mixture,) = [m for m in model.modules() if isinstance(m, GaussianMixture)]
    theta = {id(p) for p in mixture.parameters()}
    for group in wrapper.optimizer.param_groups:
        own = {id(p) for p in group["params"]} & theta
        assert own in (set(), {id(p) for p in group["params"]})
        if own:
            assert group["lr"] == 1e-3 and group["betas"] == (0.9, 0.99)
            assert group["weight_decay"] == 0
    assert len(theta) == 2


def test_settings_of_the_paper(built):
    """DeepLabV3+ with ResNet-101 on Cityscapes (L-GMM, section 4, appendix B.2 and D.2)."""
    cfg, model = built("lgmm_deeplabv3plus_cityscapes.py")
    assert model.backbone.depth == 101
    assert [len(getattr(model.backbone, f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 4, 23, 3]
    assert model.backbone.init_cfg == dict(
        type="Pretrained", checkpoint="open-mmlab://resnet101_v1c"
    )
    assert type(model.decode_head.host).__name__ == "DepthwiseSeparableASPPHead"
    assert type(model.auxiliary_head).__name__ == "FCNHead"
    classifier = model.decode_head.classifier
    assert isinstance(classifier, GaussianMixtureClassifier)
    assert classifier.mixture.means.shape == (19, 3, 128)  # C, K, D
    assert classifier.mixture.sigma.shape == (19, 3, 128)  # diagonal covariance
    assert classifier.memory.slots.shape == (19, 2000)
    assert classifier.projection.in_features == 512
    assert classifier.loss_one_weight == classifier.loss_avg_weight == 0.01
    assert torch.allclose(classifier.memory.log_weights.exp(), torch.tensor(1 / 3))
    assert model.score_names[0] == "likelihood"
    assert isinstance(model.backbone.stem[1], nn.SyncBatchNorm)

    pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
    transforms = {type(transform).__name__: transform for transform in pipeline.transforms}
    assert transforms["RandomCrop"].crop_size == (769, 769)
    assert transforms["RandomResize"].ratio_range == (0.5, 2.0)
    assert transforms["RandomFlip"].prob == 0.5
    assert model.data_preprocessor.size == (769, 769)
    assert model.test_cfg.crop_size == (769, 769)
    assert cfg.train_cfg.max_iters == 80000
    assert cfg.train_dataloader.batch_size == 1  # x 8 GPUs
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert wrapper.param_groups[0]["lr"] == 0.01
    assert wrapper.param_groups[0]["momentum"] == 0.9
    assert wrapper.param_groups[0]["weight_decay"] == 0.0005
    (poly,) = cfg.param_scheduler
    assert (poly.type, poly.power, poly.end) == ("PolyLR", 0.9, 80000)
    assert dataset(cfg, "test_dataloader").known_classes[:2] == ("road", "sidewalk")


def test_weights_of_the_backbone_are_not_loaded_at_build(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a checkpoint was read while the model was built")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    MODELS.build(Config.fromfile(ROOT / "softmax_deeplabv3plus_cityscapes.py").model)


@pytest.mark.parametrize(
    ("suffix", "held_out", "test_folder"),
    [
        ("camvid", {"pedestrian", "bicyclist"}, "images/test"),
        ("camvid-carsign", {"car", "sign"}, "images/val"),
    ],
)
def test_camvid_splits(suffix, held_out, test_folder):
    cfg = Config.fromfile(ROOT / f"lgmm_deeplabv3plus_{suffix}.py")
    unknown_in_test = {"pedestrian", "bicyclist"}
    for loader in LOADERS:
        data = dataset(cfg, loader)
        assert set(data.unknown_classes) == held_out
        # The unknowns of the test are never trained on, whatever the split.
        assert not (held_out | unknown_in_test) & set(data.known_classes)
    assert cfg.test_dataloader.dataset.data_prefix.img_path == test_folder
    assert cfg.train_dataloader.dataset.data_prefix.img_path == "images/train"


@pytest.mark.parametrize("name", ["lgmm_deeplabv3plus_demo.py", "softmax_deeplabv3plus_demo.py"])
def test_demo_config_reads_the_embedded_scenes_and_trains(demo_scenes, name):
    cfg, batches = Config.fromfile(ROOT / name), {}
    for loader, count in zip(LOADERS, (3, 2, 2), strict=True):
        cfg[loader].update(num_workers=0, persistent_workers=False, batch_size=count)
        cfg[loader].dataset.data_root = str(demo_scenes)
        batches[loader] = batch = next(iter(Runner.build_dataloader(cfg[loader], seed=0)))
        assert len(batch["inputs"]) == count
        labels = {int(v) for s in batch["data_samples"] for v in s.gt_sem_seg.data.unique()}
        assert (254 in labels) == (loader == "test_dataloader")
        assert labels - {254, 255} <= set(range(9))
    torch.manual_seed(0)
    cfg.model.data_preprocessor.size = (32, 64)
    model = MODELS.build(cfg.model).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = [p.detach().clone() for p in model.parameters()]
    losses = model.train_step(batches["train_dataloader"], wrapper)
    assert torch.isfinite(losses["loss"])
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(moved) / len(moved) > 0.9
    with torch.no_grad():
        samples = model.eval().test_step(batches["test_dataloader"])
    for sample in samples:
        assert set(sample.pred_anomaly.keys()) == {"data", *cfg.model.score}
        assert torch.isfinite(sample.pred_anomaly.data).all()


def test_a_config_of_three_lines(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        f"_base_ = {str(ROOT / 'lgmm_deeplabv3plus_demo.py')!r}\n"
        "model = dict(reject_threshold=80.0,\n"
        "             decode_head=dict(classifier=dict(num_components=5)))\n"
    )
    cfg = Config.fromfile(path)
    model = MODELS.build(cfg.model)
    assert model.reject_threshold == 80.0
    assert model.decode_head.classifier.mixture.means.shape == (9, 5, 64)
    base = leaves(Config.fromfile(ROOT / "lgmm_deeplabv3plus_demo.py").to_dict())
    mine = leaves(cfg.to_dict())
    changed = {key for key in mine if key not in base or mine[key] != base[key]}
    assert changed == {"model.reject_threshold", "model.decode_head.classifier.num_components"}
    assert base.keys() <= mine.keys()
