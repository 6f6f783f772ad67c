"""The configs have the settings of the papers and of the benchmarks."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from torch import nn

from mmosr.methods import GaussianMixtureClassifier

from .support import CONFIGS, LOADERS, METHODS, ROOT, build, dataset

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def test_settings_of_the_lgmm_paper():
    """DeepLabV3+ with ResNet-101 on Cityscapes (L-GMM, section 4, appendix B.2 and D.2)."""
    cfg, model = build("lgmm_deeplabv3plus_cityscapes.py")
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


def test_settings_of_the_lgmm_paper_on_ade20k():
    """ADE20K: crop 512, batch 16, 160k iterations; SegFormer: AdamW, 6e-5 (L-GMM, D.2)."""
    for network in ("deeplabv3plus", "segformer"):
        cfg, model = build(f"lgmm_{network}_ade20k.py")
        pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
        transforms = {type(transform).__name__: transform for transform in pipeline.transforms}
        assert transforms["RandomCrop"].crop_size == (512, 512) == model.data_preprocessor.size
        assert cfg.train_dataloader.batch_size == 2  # x 8 GPUs
        assert cfg.train_cfg.max_iters == cfg.param_scheduler[-1].end == 160000
        assert cfg.param_scheduler[-1].type == "PolyLR"
        assert model.decode_head.classifier.mixture.means.shape == (150, 3, 128)
        assert model.decode_head.classifier.memory.slots.shape == (150, 2000)
    optimizer = cfg.optim_wrapper.optimizer  # SegFormer's
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ("AdamW", 6e-5, 0.01)
    assert [len(layer[1]) for layer in model.backbone.layers] == [3, 6, 40, 3]  # MiT-B5
    assert model.decode_head.classifier.projection.in_features == 256


def test_settings_of_the_cac_paper():
    """alpha = 10 and lambda = 0.1 (CAC, section 4.4)."""
    for name in (name for name in CONFIGS if name.startswith("cac_")):
        head = Config.fromfile(ROOT / name).model.decode_head
        classifier = MODELS.build(
            dict(head.classifier, type="mmosr.AnchorClassifier", in_channels=4, num_classes=3)
        )
        assert torch.equal(classifier.anchors, 10 * torch.eye(3))
        loss = MODELS.build(dict(head.loss_decode))
        assert (loss.anchor_weight, loss.tuplet_weight, loss.loss_weight) == (0.1, 1.0, 1.0)
    _, model = build("cac_segformer_ade20k.py")
    assert model.decode_head.classifier.anchors.shape == (150, 150)


def test_settings_of_the_movr_paper():
    """T = 32 and m = 0.5 (m-OvR, section VI)."""
    for name in (name for name in CONFIGS if name.startswith("movr_")):
        head = Config.fromfile(ROOT / name).model.decode_head
        classifier = MODELS.build(
            dict(
                head.get("classifier", {}),
                type="mmosr.CosineClassifier",
                in_channels=4,
                num_classes=3,
            )
        )
        loss = MODELS.build(dict(head.loss_decode))
        assert classifier.scale == loss.scale == 32
        assert loss.margin == 0.5


def test_weights_of_the_backbone_are_not_loaded_at_build(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a checkpoint was read while the model was built")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    for network in ("deeplabv3plus", "segformer"):
        cfg, _ = build(f"softmax_{network}_cityscapes.py")
        assert cfg.model.backbone.init_cfg.type == "Pretrained"


@pytest.mark.parametrize(
    ("suffix", "held_out", "test_folder"),
    [
        ("camvid", {"pedestrian", "bicyclist"}, "images/test"),
        ("camvid-carsign", {"car", "sign"}, "images/val"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_camvid_splits(method, suffix, held_out, test_folder):
    cfg = Config.fromfile(ROOT / f"{method}_deeplabv3plus_{suffix}.py")
    unknown_in_test = {"pedestrian", "bicyclist"}
    for loader in LOADERS:
        data = dataset(cfg, loader)
        assert set(data.unknown_classes) == held_out
        # The unknowns of the test are never trained on, whatever the split.
        assert not (held_out | unknown_in_test) & set(data.known_classes)
    assert cfg.test_dataloader.dataset.data_prefix.img_path == test_folder
    assert cfg.train_dataloader.dataset.data_prefix.img_path == "images/train"
