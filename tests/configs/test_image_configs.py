"""The image configs build, fit their data and schedule, and differ only in their method."""

import mmpretrain.datasets
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATA_SAMPLERS, HOOKS, PARAM_SCHEDULERS, init_default_scope
from mmpretrain.registry import DATASETS

from mmosr.benchmark.images.config import trial_config
from mmosr.benchmark.images.protocols import load_image_protocol
from mmosr.datasets import load_split
from mmosr.engine import check_optimizer

from .image_tables import CLASSES, METHODS, NAMES, parts, schedule
from .support import IMAGE_CONFIGS, LOADERS, ROOT, build, dataset, leaves


@pytest.fixture(scope="module", params=NAMES)
def built(request):
    return request.param, *build(request.param, "mmpretrain")


def test_all_are_here():
    ours = [name for name in IMAGE_CONFIGS if "release" not in name]
    assert sorted(ours) == sorted(NAMES)


class TestEveryConfig:
    def test_model(self, built):
        name, cfg, model = built
        method, network, data, kind = parts(name)
        head, scores = METHODS[method]
        short = kind == "short"
        scores += ("cac_fixed",) if method == "cac" and short else ()
        assert type(model.head).__name__ == head
        assert model.score_names == scores
        assert model.known_classes == model.head.num_classes == CLASSES[data]
        kinds = {"m2iosr": "M2IOSR", "proser": "PROSER"}
        assert type(model).__name__ == kinds.get(method, "OpenSetImageClassifier")
        assert (model.rotation_head is not None) == (
            method == "movr" and kind not in ("strong", "short")
        )
        assert getattr(model.data_preprocessor, "batch_augments", None) is None
        assert cfg.default_scope == "mmpretrain"

    def test_features_enter_the_head(self, built):
        _, _, model = built
        backbone = model.backbone
        channels = getattr(backbone, "out_channels", None) or getattr(backbone, "feat_dim", None)
        if hasattr(backbone, "num_features"):  # Swin: one for each stage
            channels = backbone.num_features[-1]
        assert model.head.in_channels == model.feature_dims == channels

    def test_data(self, built):
        name, cfg, model = built
        data = parts(name)[2]
        preprocessor = model.data_preprocessor
        for value in (preprocessor.mean, preprocessor.std):
            assert value.numel() == 3 and (value > 40).all()  # of pixels up to 255
        roles = []
        for loader in LOADERS:
            if data == "imagenet1k":
                assert cfg[loader].dataset.type == "ImageNet"
                continue
            if data == "cifar10-4-2":
                roles = ["train", "val", "test"]  # see below
                continue
            found = dataset(cfg, loader)
            roles.append(found.role)
            if data == "cifar10-6-4":
                assert found.class_split == load_split("protocol_a/cifar10", 0)
            else:
                assert found.class_split is None
                assert cfg[loader].dataset.data_root in (f"data/{data}", f"data/{data}_jpeg")
        assert roles in ([], ["train", "val", "test"])

    def test_batches_of_training_are_seeded(self, built):
        name, cfg, _ = built
        loader = cfg.train_dataloader
        steps = [type(step).__name__ for step in Compose(loader.dataset.pipeline).transforms]
        assert steps[0] == "SeedDraw" and steps[-1] == "PackInputs"
        assert steps.count("SeedDraw") == 1
        assert loader.sampler.type == "mmosr.SeededInfiniteSampler" and loader.sampler.shuffle
        assert DATA_SAMPLERS.get(loader.sampler.type) is not None
        # The rates are for this number of images, on all GPUs together.
        _, network, data, _ = parts(name)
        alone = {"resnet": 32, "swin-s": 64, "swin-b": 64}.get(network[:6])
        assert loader.batch_size == (alone if data == "imagenet1k" else 128)

    def test_optimiser(self, built):
        name, cfg, model = built
        check_optimizer(cfg, model)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        groups = wrapper.optimizer.param_groups
        seen = [id(p) for group in groups for p in group["params"]]
        assert sorted(seen) == sorted(id(p) for p in model.parameters() if p.requires_grad)
        rate, decay, *_ = schedule(name)
        theta = set()
        if parts(name)[0] == "lgmm":  # its own Adam
            theta = {id(p) for p in model.head.classifier.mixture.parameters()}
        rates = {id(p): rate for p in model.parameters()}
        if parts(name)[0] == "m2iosr":  # as fast as without the weight of their loss
            fast = rate / model.information.local_weight
            rates.update((id(p), fast) for p in model.information.parameters())
        transformer = parts(name)[1].startswith("swin")
        for group in groups:
            if theta & {id(p) for p in group["params"]}:
                assert (group["lr"], group["weight_decay"]) == (1e-3, 0)
                continue
            assert {group["lr"]} == {rates[id(p)] for p in group["params"]}
            assert group.get("momentum") == (None if transformer else 0.9)
            # mmpretrain has none on norms and biases of Swin.
            assert group["weight_decay"] in ((0, decay) if transformer else (decay,))

    def test_schedule(self, built):
        name, cfg, model = built
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        for scheduler in cfg.param_scheduler:
            assert PARAM_SCHEDULERS.build(dict(scheduler, optimizer=wrapper)) is not None
            assert scheduler.by_epoch is False
        length, interval = cfg.train_cfg.max_iters, cfg.train_cfg.val_interval
        last = cfg.param_scheduler[-1]
        turns = last.get("milestones") or [last.begin, last.end]
        assert (length, interval, turns) == schedule(name)[2:]
        assert length % interval == 0
        assert "clip_grad" in cfg.optim_wrapper or not parts(name)[1].startswith("swin")

    def test_hooks(self, built):
        name, cfg, _ = built
        hooks = [type(HOOKS.build(hook)).__name__ for hook in cfg.custom_hooks]
        fitted = parts(name)[0] in ("cac", "center")
        assert hooks == ["StepSeedHook", "FitHook"][: 2 if fitted else 1]


@pytest.mark.parametrize("trial", range(5))
def test_every_trial_of_the_protocol(trial):
    """For CIFAR-10 6/4; all methods have the same data, see below."""
    init_default_scope("mmpretrain")
    cfg = Config.fromfile(ROOT / "softmax_osrcinet_cifar10-6-4.py")
    cfg = trial_config(cfg, load_image_protocol("cifar10_6-4"), trial)
    for loader in LOADERS:
        data = DATASETS.build(dict(cfg[loader].dataset, lazy_init=True))
        assert data.class_split == load_split("protocol_a/cifar10", trial)
        assert (data.val_fraction, data.val_seed) == (0.1, 0)
    assert cfg.randomness.seed == trial


def test_settings_are_chosen_on_known_classes_of_the_protocol():
    """No image of cifar10_4-2 is from an unknown class of trial 0 or a test image."""
    init_default_scope("mmpretrain")
    known = set(load_split("protocol_a/cifar10", 0).known)
    names = mmpretrain.datasets.CIFAR10.METAINFO["classes"]
    cfg = Config.fromfile(ROOT / "softmax_vgg13_cifar10-4-2_short.py")
    data = cfg.val_dataloader.dataset
    four = cfg.train_dataloader.dataset.known_classes
    assert data.known.known_classes == four and data.known.role == "val"
    shown = [*four, *data.unknown.unknown_classes]
    assert sorted(names.index(name) for name in shown) == sorted(known) and data.ratio == 1
    assert cfg.test_dataloader == cfg.val_dataloader
    sources = (cfg.train_dataloader.dataset, data.known, data.unknown)
    assert {source.data_prefix for source in sources} == {"train"}
    assert cfg.train_dataloader.dataset.val_fraction == data.known.val_fraction == 0.1


# For ten classes unless stated otherwise; for ImageNet as torchvision and the Swin paper count.
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("softmax_osrcinet_cifar10-6-4.py", 999_104 + 2048 * 6 + 6),
        ("softmax_wrn16-4_cifar10.py", 2_748_890),
        ("softmax_resnet18_cifar10.py", 11_173_962),
        ("softmax_resnet34_cifar10-6-4.py", 21_282_122 - 4 * 513),
        ("softmax_resnet50_cifar10.py", 23_520_842),
        ("softmax_resnet101_cifar10.py", 42_512_970),
        ("softmax_resnet101_cifar100.py", 42_512_970 + 90 * 2049),
        ("softmax_resnet50_imagenet1k.py", 25_557_032),
        ("softmax_resnet101_imagenet1k.py", 44_549_160),
        ("softmax_swin-s_imagenet1k.py", 49_606_258),
        ("softmax_swin-b_imagenet1k.py", 87_768_224),
    ],
)
def test_known_number_of_parameters(name, count):
    assert sum(p.numel() for p in build(name, "mmpretrain")[1].parameters()) == count


COMMON = ("model.score", "model.head.type")
# What else a method must change, and what it may change.
DIFFERENCES = {
    "nsce": (("model.head.classifier.type",), ()),
    "doc": (("model.head.classifier.type",), ("model.head.loss.",)),
    "center": ((), ("model.head.classifier.", "model.head.loss.", "custom_hooks.1.")),
    "cac": (("custom_hooks.1.type",), ()),
    "movr": ((), ("model.rotation_head.", "model.head.loss.")),
    "lgmm": (("optim_wrapper.constructor",), ("model.head.classifier.normalization",)),
    "rpl": ((), ("model.head.classifier.gamma",)),
    "cpn": ((), ()),
    "proser": (("model.type", "model.mix_at"), ()),
    "m2iosr": (
        ("model.type", "optim_wrapper.paramwise_cfg.custom_keys.information.lr_mult"),
        (
            "optim_wrapper.optimizer.weight_decay",
            "model.information.",
            "model.kl_weight",
            "model_wrapper_cfg.",
            "optim_wrapper.optimizer.lr",
        ),
    ),
}
SOFTMAX_TWINS = [
    name for name in NAMES if not name.startswith("softmax") and not name.endswith("100k.py")
]


def changes(name, other):
    ours, theirs = (leaves(Config.fromfile(ROOT / path).to_dict()) for path in (name, other))
    return {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)}


@pytest.mark.parametrize("name", SOFTMAX_TWINS)
def test_methods_differ_only_in_method(name):
    method, rest = name.split("_", 1)
    needed, allowed = DIFFERENCES[method]
    # M2IOSR has the plain head.
    needed = {*needed, *(() if method == "m2iosr" else COMMON)}
    changed = changes(name, f"softmax_{rest}")
    assert needed <= changed
    assert not [key for key in changed - needed if not (allowed and key.startswith(allowed))]


@pytest.mark.parametrize("network", ["osrcinet", "wrn16-4"])
def test_longer_training_changes_nothing_else(network):
    name = f"movr_{network}_cifar10-6-4"
    assert changes(f"{name}_100k.py", f"{name}.py") == {
        "train_cfg.max_iters",
        "train_cfg.val_interval",
        "param_scheduler.0.end",
    }


def test_proser_mixes_in_the_middle():
    """After the second of three blocks of convolutions, before the last group like its authors."""
    model = build("proser_osrcinet_cifar10-6-4.py", "mmpretrain")[1]
    assert model.mix_at == "layers.5" and len(model.backbone.layers) == 9


def test_losses_of_the_baselines():
    """DOC: one-vs-rest without margin; Center: Center loss, with cross-entropy on the logits."""
    doc = build("doc_wrn16-4_cifar10.py", "mmpretrain")[1].head
    assert (type(doc.classifier).__name__, type(doc.loss_module).__name__) == (
        "LinearClassifier",
        "MOvRLoss",
    )
    assert (doc.loss_module.margin, doc.loss_module.scale) == (0, None)
    nsce = build("nsce_wrn16-4_cifar10.py", "mmpretrain")[1].head
    assert (type(nsce.classifier).__name__, type(nsce.loss_module).__name__) == (
        "CosineClassifier",
        "CrossEntropyLoss",
    )
    center = build("center_osrcinet_cifar10-6-4.py", "mmpretrain")[1].head
    assert type(center.loss_module).__name__ == "CenterLoss"
    assert center.loss_module.loss_weight == 0.003  # Wen et al., 2016
    assert center.classifier.centres == "learnt" and center.classifier.logit_loss_weight == 1
