"""A config with statistics that can be computed by hand from the image files."""

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.datasets import CityscapesDataset
from mmseg.registry import MODELS
from torch import nn

from mmosr.config.pipelines import fit_dataloader
from tests.segmentation.toy import PIXELS

CITYSCAPES = CityscapesDataset.METAINFO["classes"]
IGNORED = ("person", "rider", "truck", "bus", "train", "motorcycle", "bicycle", "wall", "fence")
KNOWN = [name for name in CITYSCAPES if name not in IGNORED]
C = len(KNOWN)
MEAN, STD = [100.0, 110.0, 120.0], [50.0, 60.0, 70.0]
CAC = dict(type="mmosr.CACHead", host="FCNHead")
PLAIN = dict(type="FCNHead")
STEPS = [
    dict(type="LoadImageFromFile"),
    dict(type="mmosr.LoadOpenSetAnnotations"),
    dict(type="PackSegInputs"),
]


def dataset(root, split, pipeline=STEPS):
    return dict(
        type="mmosr.OpenSetCityscapesDataset",
        data_root=str(root),
        data_prefix=dict(img_path=f"leftImg8bit/{split}", seg_map_path=f"gtFine/{split}"),
        ignored_classes=IGNORED,
        pipeline=pipeline,
    )


def loader(data, **options):
    sampler = dict(type="DefaultSampler", shuffle=False)
    return dict(batch_size=1, num_workers=0, sampler=sampler, dataset=data, **options)


def make_config(root, head=CAC, scores=("sml",), norm=False, **options):
    """Config of a network of 1x1 convolutions, with batch normalisation if requested."""
    one = dict(num_convs=1, norm_cfg=dict(type="BN")) if norm else dict(num_convs=0)
    train = [STEPS[0], STEPS[1], dict(type="RandomFlip", prob=0.5), STEPS[2]]
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(
                type="mmosr.OpenSetEncoderDecoder",
                score=list(scores),
                backbone=PIXELS,
                data_preprocessor=dict(
                    type="SegDataPreProcessor", mean=MEAN, std=STD, bgr_to_rgb=True, size=(32, 64)
                ),
                decode_head=dict(
                    in_channels=8, channels=8, concat_input=False, num_classes=C, **one, **head
                ),
                train_cfg=dict(),
                test_cfg=dict(mode="whole"),
            ),
            train_dataloader=loader(
                dict(type="RepeatDataset", times=3, dataset=dataset(root, "train", train))
            ),
            val_dataloader=loader(dataset(root, "val")),
            test_dataloader=loader(dataset(root, "test")),
            **options,
        )
    )


def build_model(cfg, seed=0):
    init_default_scope("mmseg")
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model


def build_loaders(cfg, *splits):
    return {
        split: Runner.build_dataloader(fit_dataloader(cfg, split)) for split in splits or ["train"]
    }


def pixels(root, split="train"):
    """Normalised RGB ``(M, 3)`` and labels ``(M,)`` of the known pixels, from the files."""
    values, labels = [], []
    for path in sorted((root / "leftImg8bit" / split).rglob("*.png")):
        image = cv2.imread(str(path))[..., ::-1].astype(np.float64)
        values.append(((image - MEAN) / STD).reshape(-1, 3))
        name = path.name.replace("_leftImg8bit", "_gtFine_labelTrainIds")
        label = cv2.imread(
            str(root / "gtFine" / split / path.parent.name / name), cv2.IMREAD_UNCHANGED
        )
        labels.append(label.reshape(-1))
    names = np.array([*CITYSCAPES, *["void"] * (256 - len(CITYSCAPES))])[np.concatenate(labels)]
    known = np.isin(names, KNOWN)
    return np.concatenate(values)[known], np.array([KNOWN.index(n) for n in names[known]])


def numpy_features(model, values):
    conv = model.backbone.conv
    weight, bias = conv.weight.detach().double().numpy()[..., 0, 0], conv.bias.detach().numpy()
    return np.tanh(values @ weight.T + bias)


def numpy_logits(model, values):
    """CAC's logits z of pixels."""
    layer = model.classifier.projection
    weight = layer.weight.detach().double().numpy().reshape(C, -1)
    return numpy_features(model, values) @ weight.T + layer.bias.detach().numpy()


def numpy_anchors(model, root):
    """Mean logit of the correctly classified pixels of each class (CAC, section 3.1.2)."""
    values, labels = pixels(root)
    z = numpy_logits(model, values)
    right = z.argmax(1) == labels
    anchors = 10 * np.eye(C)
    for label in range(C):
        rows = z[right & (labels == label)]
        if len(rows):
            anchors[label] = rows.mean(0)
    return anchors


def statistics(model):
    """All fitted statistics of a model, copied."""
    return {
        f"{name}.{key}": buffer.clone()
        for name, part in model.fitted_parts().items()
        for key, buffer in part.named_buffers()
    }
