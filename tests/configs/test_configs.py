"""Every config builds, and twins differ only where they should."""

from itertools import pairwise
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, VISUALIZERS
from mmengine.runner import get_priority
from mmengine.visualization import Visualizer
from mmseg.registry import MODELS

from mmosr.datasets import OpenSetSegDataset
from mmosr.engine import check_optimizer

from .support import CONFIGS, LOADERS, METHODS, ROOT, build, dataset, leaves, score_names

pytestmark = pytest.mark.usefixtures("mmseg_scope")
TWINS = [name for name in CONFIGS if not name.startswith("softmax_")]


@pytest.fixture(scope="module", params=CONFIGS)
def built(request):
    """Each config and its model, built once for all tests of it and then forgotten."""
    return build(request.param)


def test_every_method_has_every_network_and_data_set():
    data = ("cityscapes", "ade20k", "camvid", "demo")
    networks = ("deeplabv3plus", "segformer")
    expected = {f"{m}_{n}_{d}.py" for m in METHODS for n in networks for d in data}
    expected |= {f"{m}_deeplabv3plus_camvid-carsign.py" for m in METHODS}
    expected |= {"lgmm-outliers_deeplabv3plus_demo.py"}
    expected |= {f"{m}_deeplabv3plus_demo-long.py" for m in ("softmax", "lgmm-outliers")}
    assert set(CONFIGS) == expected


class TestEveryConfig:
    def test_model(self, built):
        cfg, model = built
        assert type(model).__name__ == "OpenSetEncoderDecoder"
        assert model.score_names == score_names(cfg)
        size = cfg.model.data_preprocessor.get("size")
        assert model.data_preprocessor.size == size

    def test_classes_of_data_and_model_agree(self, built):
        cfg, model = built
        for loader in LOADERS:
            data = dataset(cfg, loader)
            assert isinstance(data, OpenSetSegDataset)
            assert len(data.known_classes) == model.num_classes
            assert len(data.metainfo["palette"]) == model.num_classes
            if model.with_auxiliary_head:
                assert model.auxiliary_head.num_classes == model.num_classes
        assert not dataset(cfg, "train_dataloader").mark_unknown
        assert dataset(cfg, "test_dataloader").mark_unknown

    def test_pipelines(self, built):
        cfg, _ = built
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

    def test_evaluators_and_hooks(self, built):
        cfg, _ = built
        for key in ("val_evaluator", "test_evaluator"):
            (metric,) = Evaluator(cfg[key]).metrics
            assert type(metric).__name__ == "OpenSetMetric"
        Visualizer.get_instance("configs")  # the runner makes it before the hooks
        for hook in [*cfg.default_hooks.values(), *cfg.get("custom_hooks", [])]:
            assert HOOKS.build(hook) is not None
        assert isinstance(VISUALIZERS.build(dict(cfg.visualizer, vis_backends=None)), Visualizer)

    def test_optimiser(self, built):
        """Every parameter once, with the rate and the decay that the schedule states for it."""
        cfg, model = built
        expected = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
        check_optimizer(cfg, model)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        seen = [id(p) for group in wrapper.optimizer.param_groups for p in group["params"]]
        assert len(seen) == len(expected) and set(seen) == expected.keys()
        theta = [name for name in expected.values() if "mixture." in name]
        method, network, data = Path(cfg.filename).stem.split("_")
        assert len(theta) == {"lgmm": 2, "lgmm-outliers": 4}.get(method, 0)
        optimizer = cfg.optim_wrapper.optimizer
        sgd = network == "deeplabv3plus" and not data.startswith("demo")
        assert optimizer.type == ("SGD" if sgd else "AdamW")
        fine_tuned = network == "segformer" and "Pretrained" in str(cfg.model.backbone.init_cfg)
        for group in wrapper.optimizer.param_groups:
            for name in (expected[id(p)] for p in group["params"]):
                if "mixture." in name:  # L-GMM's theta has its own optimiser
                    assert group["lr"] == 1e-3 and group["betas"] == (0.9, 0.99)
                    assert group["weight_decay"] == 0 and len(group["params"]) == len(theta)
                    continue
                in_head = "head" in name
                new_layer = data.startswith("demo") and "deeplab" in network and "conv_seg" in name
                faster = (fine_tuned and in_head) or new_layer
                assert group["lr"] == optimizer.lr * (10 if faster else 1), name
                free = network == "segformer" and "norm" in name and not (fine_tuned and in_head)
                assert group["weight_decay"] == (0 if free else optimizer.weight_decay), name
                if sgd:
                    assert group["momentum"] == 0.9 and "betas" not in group
                else:
                    assert group["betas"] == (0.9, 0.999) and "momentum" not in group

    def test_schedule_spans_the_training(self, built):
        cfg, _ = built
        assert cfg.train_cfg.type == "IterBasedTrainLoop"
        for before, after in pairwise(cfg.param_scheduler):
            assert before.end == after.begin
        assert cfg.param_scheduler[0].begin == 0
        assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters
        assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0

    def test_tta(self, built):
        cfg, _ = built
        _, augment = Compose(cfg.tta_pipeline).transforms
        kinds = [{type(t).__name__ for t in view.transforms} for view in augment.subroutines]
        views = len(cfg.tta_ratios) * 2
        assert len(kinds) == views >= 8
        expected = {"Resize", "RandomFlip", "LoadOpenSetAnnotations", "PackSegInputs"}
        assert all(kind == expected for kind in kinds)
        for view in augment.subroutines:  # labels are loaded after the geometry
            assert type(view.transforms[-2]).__name__ == "LoadOpenSetAnnotations"
        assert MODELS.get(cfg.tta_model.type).__name__ == "OpenSetTTAModel"


LOSS = "model.decode_head.loss_decode."
CLASSIFIER = "model.decode_head.classifier."
ALLOWED = {  # exact keys, and prefixes of keys
    "lgmm": ({"optim_wrapper.constructor"}, (CLASSIFIER, "borders", "custom_hooks.1.type")),
    "lgmm-outliers": (
        {"optim_wrapper.constructor"},
        (
            CLASSIFIER,
            "borders",
            "custom_hooks.1.type",
            "train_dataloader.dataset.pipeline.",
            "train_pipeline.",
            "load_from",
            "optim_wrapper.optimizer.lr",
        ),
    ),
    "cac": ({"custom_hooks.1.type"}, (CLASSIFIER, LOSS)),
    "movr": (set(), (CLASSIFIER, LOSS)),
}


@pytest.mark.parametrize("name", TWINS)
def test_twins_differ_only_in_method(name):
    method, rest = name.split("_", 1)
    ours = leaves(Config.fromfile(ROOT / name).to_dict())
    twin = leaves(Config.fromfile(ROOT / f"softmax_{rest}").to_dict())
    missing = object()
    changed = {key for key in {*ours, *twin} if ours.get(key, missing) != twin.get(key, missing)}
    keys, beginnings = ALLOWED[method]
    needed = {"model.decode_head.type", "model.decode_head.host", *keys}
    assert needed <= changed
    beginnings = ("model.score", *beginnings)
    assert not [key for key in changed - needed if not key.startswith(beginnings)]
    assert ours["model.decode_head.host"] == twin["model.decode_head.type"]
    for key in keys - {"optim_wrapper.constructor"}:
        assert key not in twin


@pytest.mark.parametrize("name", [name for name in TWINS if name.startswith("cac_")])
def test_anchors_are_reestimated_before_a_checkpoint(name):
    cfg = Config.fromfile(ROOT / name)
    hooks = [HOOKS.build(hook) for hook in cfg.custom_hooks]
    (fit,) = [hook for hook in hooks if type(hook).__name__ == "FitHook"]
    checkpoint = HOOKS.build(cfg.default_hooks.checkpoint)
    assert get_priority(fit.priority) < get_priority(checkpoint.priority)


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


def test_classes_of_ade20k_held_out_as_the_documentation_says(tmp_path):
    text = (ROOT.parent / "docs" / "data.md").read_text()
    (example,) = [part for part in text.split("```") if part.startswith("python\n_base_")]
    path = tmp_path / "mine.py"
    path.write_text(example.removeprefix("python\n").replace('"./', f'"{ROOT}/'))
    cfg = Config.fromfile(path)
    for loader in LOADERS:
        data = dataset(cfg, loader)
        assert len(data.known_classes) == 148 == cfg.model.decode_head.num_classes
        assert data.unknown_classes == ("person", "animal")
        assert data.mark_unknown == (loader != "train_dataloader")


def test_training_with_outliers_as_the_documentation_says(tmp_path):
    text = (ROOT.parent / "docs" / "lgmm.md").read_text()
    (example,) = [part for part in text.split("```") if "train_pipeline.insert" in part]
    path = tmp_path / "mine.py"
    path.write_text(example.removeprefix("python\n").replace('"./', f'"{ROOT}/'))
    cfg = Config.fromfile(path)
    steps = [step["type"] for step in cfg.train_dataloader.dataset.pipeline]
    assert steps[-3:] == ["mmosr.PasteOutliers", "PhotoMetricDistortion", "PackSegInputs"]
    model = MODELS.build(cfg.model)
    assert model.score_names == ("outlier_ratio",) and model.classifier.trains_on_outliers
