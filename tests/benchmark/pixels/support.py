"""A tiny plain mmseg model, data sets for it, and the figures computed the long way."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from mmosr.apis import AnomalyInferencer, init_model, load
from mmosr.benchmark.pixels import run_benchmark
from mmosr.config.loading import load_config
from mmosr.datasets import write_demo_scenes

ROOT = Path(__file__).parents[3]
SCORES = ["msp", "energy"]
CONFIG = """
custom_imports = dict(imports=["slow_step"])
norm_cfg = dict(type="BN")
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(type="SegDataPreProcessor", mean=[120.0] * 3, std=[60.0] * 3),
    backbone=dict(
        type="ResNetV1c", depth=18, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,),
        base_channels=4, stem_channels=4, norm_cfg=norm_cfg),
    decode_head=dict(
        type="FCNHead", in_channels=4, channels=8, num_convs=1, concat_input=False,
        num_classes=19, norm_cfg=norm_cfg),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmosr.OpenSetCityscapesDataset",
        data_root={root!r},
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        mark_unknown=True,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="SlowStep"),
            dict(type="LoadAnnotations"),
            dict(type="Resize", scale=(48, 32), keep_ratio=False),
            dict(type="PackSegInputs"),
        ],
    ),
)
"""
# A unique name; a killed run is killed while it waits here.
SLOW_STEP = """
import os, time
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

@TRANSFORMS.register_module(force=True)
class SlowStep(BaseTransform):
    def transform(self, results):
        time.sleep(float(os.environ.get("SLOW_STEP", 0)))
        return results
"""
COMPONENTS = """
benchmark = dict(
    components=dict(predicted=3, true=2),
    dataset=dict(
        type="mmosr.OpenSetCityscapesDataset",
        data_root={root!r},
        data_prefix=dict(img_path="leftImg8bit/test", seg_map_path="gtFine/test"),
        {options}
        mark_unknown=True,
    ),
)
"""


@dataclass
class Files:
    """Paths of a model and of data sets."""

    folder: Path
    config: Path
    checkpoint: Path
    scenes: Path
    objects: Path  # with component figures
    others: Path  # three of the images, with other classes than the model

    def environment(self) -> dict:
        paths = os.pathsep.join([str(ROOT), str(self.folder), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


@contextmanager
def tiny_benchmark(folder: Path) -> Iterator[Files]:
    """The files; the module of the config is importable meanwhile."""
    sys.path.insert(0, str(folder))
    try:
        yield write_files(folder)
    finally:
        sys.path.remove(str(folder))


def write_files(folder: Path) -> Files:
    """Write a tiny model, its checkpoint, scenes of 32 x 64, and definitions of data sets."""
    scenes = write_demo_scenes(folder / "scenes", train=1, val=2, test=5, size=(32, 64))
    config = folder / "plain.py"
    config.write_text(CONFIG.replace("{root!r}", repr(str(scenes))))
    (folder / "slow_step.py").write_text(SLOW_STEP)
    files = Files(
        folder, config, folder / "plain.pth", scenes, folder / "objects.py", folder / "others.py"
    )
    files.objects.write_text(COMPONENTS.format(root=str(scenes), options=""))
    options = 'ignored_classes=("road", "fence"), indices=3,'
    files.others.write_text(COMPONENTS.format(root=str(scenes), options=options))
    content = {"state_dict": build(load_config(config)).state_dict(), "meta": {}}
    torch.save(content, files.checkpoint)
    return files


def build(config, seed: int = 0):
    init_default_scope("mmseg")
    torch.manual_seed(seed)
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def images_of(files: Files) -> list[Path]:
    return sorted((files.scenes / "leftImg8bit/test").rglob("*.png"))


def label_of(files: Files, image: Path) -> np.ndarray:
    path = Path(str(image).replace("leftImg8bit/", "gtFine/"))
    name = path.name.replace("_leftImg8bit", "_gtFine_labelTrainIds")
    return cv2.imread(str(path.with_name(name)), cv2.IMREAD_UNCHANGED)


def all_pixels(files: Files, scores=SCORES):
    """Scores ``{name: (N, H, W)}`` and labels ``(N, H, W)`` of every pixel."""
    model = init_model(files.config, files.checkpoint, "cpu", score=list(scores))
    results = list(AnomalyInferencer(model)(images_of(files)))
    maps = {name: np.stack([result.scores[name] for result in results]) for name in scores}
    return maps, np.stack([label_of(files, image) for image in images_of(files)])


def expected_figures(score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """scikit-learn's figures of all pixels that are not ignored."""
    counted = label != 255
    score, unknown = score[counted], label[counted] == 254
    fpr, tpr, _ = roc_curve(unknown, score, drop_intermediate=False)
    return {
        "AUROC": roc_auc_score(unknown, score),
        "AP": average_precision_score(unknown, score),
        "FPR95": fpr[np.argmax(tpr >= 0.95)],
    }


def report(out: Path) -> dict:
    """The content of ``benchmark.json``."""
    return json.loads((out / "benchmark.json").read_text())


def run(files, out, datasets=("test",), scores=SCORES, config=None, checkpoint=None, **options):
    """The results of a benchmark of the tiny model."""
    loaded = load(config or files.config, checkpoint or files.checkpoint, scores)
    return run_benchmark(loaded, out, [str(d) for d in datasets], **options)[0]
