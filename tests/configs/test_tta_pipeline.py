"""Test-time augmentation of the shipped configs: the views, and ``tools/test.py --tta``."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from mmosr.config.loading import load_config

from .support import ROOT

SIZE = (24, 40)
# Image and label file in the layout of each data set, below its root.
FILES = {
    "camvid": ("images/test/a.jpg", "labels/test/a.png"),
    "demo": (
        "leftImg8bit/test/x/a_leftImg8bit.png",
        "gtFine/test/x/a_gtFine_labelTrainIds.png",
    ),
    "cityscapes_769x769": (
        "leftImg8bit/val/x/a_leftImg8bit.png",
        "gtFine/val/x/a_gtFine_labelTrainIds.png",
    ),
    "ade20k_512x512": ("images/validation/a.jpg", "annotations/validation/a.png"),
}
FILES["cityscapes_1024x1024"] = FILES["cityscapes_769x769"]


@pytest.mark.parametrize("data", FILES)
def test_views(mmseg_scope, tmp_path, data):
    """Every scale and its mirror image; the labels of each view are those of the file."""
    generator = np.random.default_rng(0)
    for path, shape in zip(FILES[data], ((*SIZE, 3), SIZE), strict=True):
        (tmp_path / path).parent.mkdir(parents=True)
        Image.fromarray(generator.integers(1, 8, shape, dtype=np.uint8)).save(tmp_path / path)
    cfg = Config.fromfile(ROOT / "_base_" / "datasets" / f"{data}.py")
    dataset = dict(cfg.test_dataloader.dataset, data_root=str(tmp_path))
    plain = DATASETS.build(dataset)[0]
    views = DATASETS.build(dict(dataset, pipeline=cfg.tta_pipeline))[0]
    labels = plain["data_samples"].gt_sem_seg.data
    assert labels.shape == (1, *SIZE)
    sizes = []
    for inputs, sample in zip(views["inputs"], views["data_samples"], strict=True):
        assert torch.equal(sample.gt_sem_seg.data, labels)
        sizes.append(inputs.shape[1:])
        if inputs.shape == plain["inputs"].shape:  # ratio 1: as without augmentation
            expected = plain["inputs"].flip(-1) if sample.flip else plain["inputs"]
            assert torch.equal(inputs, expected)
    height = plain["inputs"].shape[1]
    expected = [ratio * height for ratio in cfg.tta_ratios for _ in range(2)]
    np.testing.assert_allclose(sorted(size[0] for size in sizes), sorted(expected), atol=1)
    flips = [bool(sample.flip) for sample in views["data_samples"]]
    assert sum(flips) == len(flips) / 2


SMALL = {
    "deeplabv3plus": {
        "model.backbone.base_channels": 4,
        "model.backbone.stem_channels": 4,
        "model.decode_head.in_channels": 8,
        "model.decode_head.channels": 8,
        "model.decode_head.c1_in_channels": 4,
        "model.decode_head.c1_channels": 4,
    },
    "segformer": {"model.decode_head.channels": 16},
}


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("softmax_segformer", ["energy", "msp"]),
        ("lgmm_deeplabv3plus", ["likelihood", "energy"]),
        ("cac_deeplabv3plus", ["cac", "cac_reestimated"]),
        ("movr_segformer", ["movr", "max_cosine"]),
    ],
)
def test_tool(call, metrics, scenes, tmp_path, name, scores):
    """The figures of the tool are those of the mean maps over the views, one by one."""
    path = ROOT / f"{name}_demo.py"
    options = {
        "test_dataloader.dataset.data_root": str(scenes),
        "test_dataloader.num_workers": 0,
        "test_dataloader.persistent_workers": False,
        "model.data_preprocessor.size": (64, 64),
        **SMALL[name.split("_")[1]],
    }
    cfg = load_config(path, options)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    cfg.model.score = scores
    model = MODELS.build(cfg.model).eval()
    if name.startswith("cac_"):
        model.classifier.reestimated_anchors += 1.0
        model.classifier.fitted.fill_(True)
    checkpoint = tmp_path / "random.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {}}, checkpoint)
    arguments = [path, checkpoint, "--tta", "--work-dir", tmp_path, "--scores", *scores]
    call("test", *arguments, "--cfg-options", *(f"{k}={v}" for k, v in options.items()))
    figures = metrics(tmp_path)

    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, pipeline=cfg.tta_pipeline))
    unknown, maps = [], {score: [] for score in scores}  # maps: (V, pixels) of each image
    for item in dataset:
        views = zip(item["inputs"], item["data_samples"], strict=True)
        with torch.no_grad():
            outputs = [model.test_step(dict(inputs=[x], data_samples=[s]))[0] for x, s in views]
        label = outputs[0].gt_sem_seg.data.numpy()
        unknown.append((label == 254)[label != 255])
        for score in scores:
            views = np.stack([output.pred_anomaly.get(score).numpy() for output in outputs])
            maps[score].append(views[:, label != 255].astype(np.float64))
    unknown = np.concatenate(unknown)
    assert 0 < unknown.mean() < 1
    for score in scores:
        views = np.concatenate(maps[score], axis=1)
        mean = views.mean(axis=0)
        auroc, ap = figures[f"{score}/AUROC"], figures[f"{score}/AP"]
        # Scores of random weights are so close that float32 and the batch change their order.
        assert auroc == pytest.approx(100 * roc_auc_score(unknown, mean), abs=0.2)
        assert ap == pytest.approx(100 * average_precision_score(unknown, mean), abs=0.2)
        one_view = [100 * roc_auc_score(unknown, view) for view in views]
        assert max(abs(auroc - value) for value in one_view) > 1
