"""The demo configs, and the variants of the papers' tables inherited from them, train."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmosr.config.pipelines import fit_dataloader
from mmosr.engine import fit_statistics
from mmosr.engine.checkpoint import read_checkpoint
from mmosr.methods import AnchorClassifier, CosineClassifier, LinearClassifier

from .support import CONFIGS, LOADERS, ROOT, score_names

pytestmark = pytest.mark.usefixtures("mmseg_scope")
DEMOS = [name for name in CONFIGS if "_demo" in name]


def one_step(cfg, batch):
    """The model of a config after one step, where nearly every parameter changed, and its log."""
    torch.manual_seed(0)
    cfg.model.data_preprocessor.size = (32, 64)
    model = MODELS.build(cfg.model).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = [p.detach().clone() for p in model.parameters()]
    losses = model.train_step(batch, wrapper)
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(moved) / len(moved) > 0.9
    return model, losses


@pytest.mark.parametrize("name", DEMOS)
def test_demo_config_reads_the_embedded_scenes_and_trains(demo_scenes, name):
    cfg, batches = Config.fromfile(ROOT / name), {}
    for loader, count in zip(LOADERS, (3, 2, 2), strict=True):
        cfg[loader].update(num_workers=0, persistent_workers=False, batch_size=count)
        cfg[loader].dataset.data_root = str(demo_scenes)
        batches[loader] = batch = next(iter(Runner.build_dataloader(cfg[loader], seed=0)))
        assert len(batch["inputs"]) == count
        labels = {int(v) for s in batch["data_samples"] for v in s.gt_sem_seg.data.unique()}
        pasted = name.startswith("lgmm-outliers") and loader == "train_dataloader"
        assert pasted or (254 in labels) == (loader == "test_dataloader")
        assert labels - {254, 255} <= set(range(9))
    model, losses = one_step(cfg, batches["train_dataloader"])
    assert torch.isfinite(losses["loss"])
    if model.fitted_parts():
        loader = Runner.build_dataloader(fit_dataloader(cfg))
        fit_statistics(model.eval(), {"train": loader})
    with torch.no_grad():
        samples = model.eval().test_step(batches["test_dataloader"])
    for sample in samples:
        assert set(sample.pred_anomaly.keys()) == {"data", *score_names(cfg)}
        assert torch.isfinite(sample.pred_anomaly.data).all()


def test_cac_saves_reestimated_anchors(call, metrics, scenes, tmp_path):
    """Training with the unchanged config ends with a checkpoint that can be tested."""
    options = [
        *(f"{split}_dataloader.dataset.data_root={scenes}" for split in ("train", "val", "test")),
        *(f"{split}_dataloader.num_workers=0" for split in ("train", "val", "test")),
        *(f"{split}_dataloader.persistent_workers=False" for split in ("train", "val", "test")),
        "train_dataloader.batch_size=2",
        "model.data_preprocessor.size=(64,64)",
        "model.decode_head.channels=16",
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=1",
        "default_hooks.checkpoint.interval=1",
    ]
    config = ROOT / "cac_segformer_demo.py"
    call("train", config, "--work-dir", tmp_path, "--cfg-options", *options)
    weights = read_checkpoint(tmp_path / "iter_2.pth")["state_dict"]
    prefix = "decode_head.classifier."
    assert weights[prefix + "fitted"]
    assert torch.equal(weights[prefix + "anchors"], 10 * torch.eye(9))
    assert not torch.equal(weights[prefix + "reestimated_anchors"], 10 * torch.eye(9))
    call(
        *("test", config, tmp_path / "iter_2.pth", "--work-dir", tmp_path / "test"),
        *("--cfg-options", *options),
    )
    assert {"cac/AUROC", "cac_reestimated/AUROC"} <= metrics(tmp_path / "test").keys()


def first_batch(cfg, scenes):
    """A batch of two training images."""
    loader = cfg.train_dataloader
    loader.update(num_workers=0, persistent_workers=False, batch_size=2)
    loader.dataset.data_root = str(scenes)
    return next(iter(Runner.build_dataloader(loader, seed=0)))


# A user's config of a few lines, by the row of the papers' tables that it stands for.
VARIANTS = {
    "learnt centres (CAC supplement, section 5)": (
        "cac_deeplabv3plus_demo",
        "decode_head=dict(classifier=dict(centres='learnt'))",
    ),
    "tuplet term only (CAC, table 4)": (
        "cac_segformer_demo",
        "decode_head=dict(loss_decode=dict(anchor_weight=0.0))",
    ),
    "anchor term only (CAC, table 4)": (
        "cac_deeplabv3plus_demo",
        "decode_head=dict(loss_decode=dict(anchor_weight=1.0, tuplet_weight=0.0))",
    ),
    "Center loss (CAC, table 4)": (
        "cac_segformer_demo",
        "decode_head=dict(classifier=dict(centres='learnt'), "
        "loss_decode=dict(_delete_=True, type='mmosr.CenterLoss'))",
    ),
    "N-SCE (m-OvR, tables)": (
        "softmax_segformer_demo",
        "score='max_cosine', decode_head=dict(type='mmosr.OpenSetHead', host='SegformerHead', "
        "classifier=dict(type='mmosr.CosineClassifier'))",
    ),
    "DOC (m-OvR, tables)": (
        "softmax_segformer_demo",
        "score='doc', decode_head=dict(type='mmosr.OpenSetHead', host='SegformerHead', "
        "classifier=dict(type='mmosr.LinearClassifier'), "
        "loss_decode=dict(_delete_=True, type='mmosr.MOvRLoss', margin=0.0, scale=None))",
    ),
}


def of_label(scores, labels):
    return scores.gather(1, labels[:, None])[:, 0]


def tuplet(scores, labels):
    """log(1 + sum_{j != y} exp(d_y - d_j)) as in eq. 2, with d = -scores."""
    gaps = torch.exp(scores - of_label(scores, labels)[:, None])
    return torch.log(gaps.sum(1))  # the gap of the label itself is the 1


def one_vs_rest(scores, labels):
    p = scores.sigmoid()
    rest = torch.log1p(-p).sum(1) - of_label(torch.log1p(-p), labels)
    return -of_label(p.log(), labels) - rest


# Type of the classifier, the losses in the log, and the first one of each pixel.
EXPECTED = {
    "learnt": (
        AnchorClassifier,
        {"loss_cac", "loss_logit_ce"},
        lambda scores, labels: tuplet(scores, labels) - 0.1 * of_label(scores, labels),
    ),
    "tuplet": (AnchorClassifier, {"loss_cac"}, tuplet),
    "anchor": (AnchorClassifier, {"loss_cac"}, lambda s, y: -of_label(s, y)),
    "Center": (
        AnchorClassifier,
        {"loss_center", "loss_logit_ce"},
        lambda scores, labels: of_label(scores, labels) ** 2 / 2,
    ),
    "N-SCE": (CosineClassifier, {"loss_ce"}, tuplet),
    "DOC": (LinearClassifier, {"loss_movr"}, one_vs_rest),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_trains_with_its_own_loss(tmp_path, demo_scenes, monkeypatch, variant):
    base, options = VARIANTS[variant]
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = '{ROOT / base}.py'\nmodel = dict({options})\n")
    cfg = Config.fromfile(path)
    kind, names, formula = EXPECTED[variant.split()[0]]
    seen = []
    class_scores = kind.class_scores

    def spy(self, embedding):
        seen.append(class_scores(self, embedding))
        return seen[-1]

    monkeypatch.setattr(kind, "class_scores", spy)
    batch = first_batch(cfg, demo_scenes)
    model, losses = one_step(cfg, batch)
    assert type(model.classifier) is kind
    assert {key.removeprefix("decode.") for key in losses} == {"loss", "acc_seg", *names}
    (scores,) = seen
    labels = torch.stack([sample.gt_sem_seg.data for sample in batch["data_samples"]])[:, 0].long()
    scores = F.interpolate(scores.double(), labels.shape[1:], mode="bilinear")
    known = labels != 255
    values = formula(scores.movedim(1, -1)[known], labels[known])
    # mmseg's cross-entropy counts the ignored pixels in its mean, unless avg_non_ignore is set.
    mean = values.sum() / (labels.numel() if variant.startswith("N-SCE") else known.sum())
    (first,) = [name for name in names if name != "loss_logit_ce"]
    torch.testing.assert_close(losses[f"decode.{first}"].double(), mean, rtol=1e-4, atol=1e-4)
