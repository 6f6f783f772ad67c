"""A tiny method on small JPEG files in the layout of CIFAR-10 as files, and the tool on it."""

from mmpretrain.datasets import CIFAR10

from tests.processes import Script

CLASSES = CIFAR10.METAINFO["classes"]
COUNTS = {"train": 10, "test": 3}
ITERATIONS = 60
CONFIG = """
default_scope = "mmpretrain"
steps = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
augmented = [dict(type="mmosr.SeedDraw"), steps[0], dict(type="RandomFlip", prob=0.5), steps[1]]
data = dict(
    type="mmosr.OpenSetClassificationDataset", data_root="{root}",
    class_split="protocol_a/cifar10", trial=4, val_fraction=0.1)
model = dict(
    type="mmosr.OpenSetImageClassifier", score="cac",
    data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, to_rgb=True),
    backbone=dict(
        type="ResNet_CIFAR", depth=18, stem_channels=4, base_channels=4, out_indices=(3,)),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(type="mmosr.CACClsHead", in_channels=32, num_classes=6))
train_dataloader = dict(
    batch_size=6, num_workers=0, sampler=dict(type="mmosr.SeededInfiniteSampler", shuffle=True),
    dataset=dict(role="train", data_prefix="train", pipeline=augmented, **data))
val_dataloader = dict(
    batch_size=7, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="val", data_prefix="train", pipeline=steps, **data))
test_dataloader = dict(
    batch_size=7, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(role="test", data_prefix="test", pipeline=steps, **data))
val_evaluator = test_evaluator = dict(type="mmosr.OpenSetRecognitionMetric")
train_cfg = dict(type="IterBasedTrainLoop", max_iters=60, val_interval=60)
val_cfg = test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=10, max_keep_ckpts=2),
    logger=dict(type="LoggerHook", interval=10))
custom_hooks = [dict(type="mmosr.StepSeedHook")]
randomness = dict(seed=0)
"""
SCORES = ["cac", "msp", "sml"]  # sml has statistics to fit, as the anchors of CAC
BROKEN = "cat/0004.jpg"  # a known class in trial 1, an unknown one in trial 0


def arguments(folder, out, trials, *more):
    method = ("--method", folder / "tiny.py", "--scores", *SCORES)
    return ["cifar10_6-4", *method, "--trials", trials, "--out-dir", out, *more]


def start(folder, out, trials, *more):
    """The tool in its own process."""
    return Script("run_protocol", *arguments(folder, out, trials, *more))
