"""The part of a config that training depends on."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from mmosr.config.lookup import without
from mmosr.config.pipelines import find_test_dataset
from mmosr.runs.hashes import content_hash

# Used only by the test. Scores do not affect the weights; those with statistics are compared
# separately. Pipelines at the top only name those in the loaders.
_TEST = (
    "test_dataloader",
    "test_evaluator",
    "test_cfg",
    "train_pipeline",
    "test_pipeline",
    "tta_model",
    "tta_pipeline",
)
# Which images have which labels is compared through the images.
_CLASSES = ("class_split", "trial")


def training_part(cfg: Config) -> dict[str, Any]:
    """What determines the weights and the fitted statistics of a trial, besides the images.

    Args:
        cfg: Config of the trial.

    Returns:
        The config without what only the test uses, but with the parts of the test that are used to
        fit statistics: its pipeline and batch size. Names of class splits are left out: two splits
        may have the same known classes.
    """
    content = cfg.to_dict()
    part = {key: value for key, value in content.items() if key not in _TEST}
    part["model"] = {key: value for key, value in content["model"].items() if key != "score"}
    for key in ("train_dataloader", "val_dataloader", "fit_dataloader"):
        if key in part:
            part[key] = without(part[key], _CLASSES)
    test = content["test_dataloader"]
    part["fitting"] = {
        "batch_size": test.get("batch_size"),
        "pipeline": find_test_dataset(cfg).get("pipeline") or content.get("test_pipeline"),
    }
    return part


def training_hash(cfg: Config) -> str:
    """SHA-256 of :func:`training_part`."""
    return content_hash(training_part(cfg))


def training_differences(one: Config, other: Config) -> list[str]:
    """Keys of :func:`training_part` that two configs do not share, sorted."""
    first, second = (
        {key: content_hash(value) for key, value in training_part(cfg).items()}
        for cfg in (one, other)
    )
    keys = sorted({*first, *second})
    return [key for key in keys if first.get(key) != second.get(key)]
