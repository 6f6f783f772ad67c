"""Pipelines and data loaders for inference and fitting, made from those in a config."""

import copy
from collections.abc import Mapping, Sequence

from mmengine.config import Config

from mmosr.utils import InputError

from .lookup import bare_name

# Wrappers of mmengine and mmseg that repeat images, or combine several into one.
_REPEATING = ("RepeatDataset", "ClassBalancedDataset", "MultiImageMixDataset")


def find_test_pipeline(cfg: Config) -> list[dict]:
    """The pipeline of the config's test data.

    Raises:
        InputError: There is none.
    """
    dataset = find_test_dataset(cfg)
    steps = dataset.get("pipeline") or cfg.get("test_pipeline")
    if not steps:
        raise InputError("the config has no test pipeline: set test_dataloader.dataset.pipeline")
    return [dict(step) for step in steps]


def find_test_dataset(cfg: Config) -> dict:
    """The config of the (first) test data set, without wrappers; empty if there is none."""
    dataset = (cfg.get("test_dataloader") or {}).get("dataset") or {}
    inner = ("dataset", "known", "datasets")
    while "pipeline" not in dataset and any(key in dataset for key in inner):
        dataset = next(dataset[key] for key in inner if key in dataset)
        dataset = dataset if isinstance(dataset, Mapping) else dataset[0]
    return dataset


def inference_pipeline(cfg: Config) -> list[dict]:
    """The steps of :func:`find_test_pipeline` without those that load labels."""
    return [step for step in find_test_pipeline(cfg) if not loads_labels(step)]


def labelled_pipeline(steps: Sequence[Mapping]) -> list[dict]:
    """An inference pipeline that loads labels as benchmarks need them: last, and checked.

    Raises:
        InputError: The pipeline does not end in ``PackSegInputs``.
    """
    if not steps or bare_name(steps[-1]["type"]) != "PackSegInputs":
        raise InputError(
            "the test pipeline of the config must end with PackSegInputs: labels are loaded "
            "before it, at their full size"
        )
    return [*steps[:-1], dict(type="mmosr.LoadOpenSetAnnotations"), steps[-1]]


def loads_labels(step: Mapping) -> bool:
    """Whether a step of a pipeline loads labels."""
    return bare_name(step["type"]).endswith("Annotations")


def fit_dataloader(cfg: Config, split: str = "train") -> dict:
    """Config of the data loader for a pass that fits statistics.

    It loads every image once, as in a test: data sets that repeat or mix images are unwrapped,
    other wrappers are kept, and the steps are those of the test, with labels loaded as in the data
    set's own pipeline; mmpretrain's data sets need no step for that. On several ranks no image
    counts twice. Batch size and workers are those of the test. Keys of ``fit_dataloader`` in the
    config, the whole loader or a part of it, replace these for the training data.

    Args:
        cfg: The whole config; not changed.
        split: ``'train'`` or ``'val'``.

    Raises:
        InputError: The config lacks the data, or its test pipeline loads no labels.
    """
    own = (cfg.get("fit_dataloader") or {}) if split == "train" else {}
    test = cfg.get("test_dataloader") or {}
    loader = dict(
        batch_size=test.get("batch_size") or 1,
        num_workers=test.get("num_workers", 0),
        persistent_workers=False,
        sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    )
    if "dataset" not in own:
        dataset = (cfg.get(f"{split}_dataloader") or {}).get("dataset")
        if not dataset:
            raise InputError(
                f"statistics are fitted on the {split} data, but the config has no "
                f"{split}_dataloader"
            )
        steps = find_test_pipeline(cfg)
        # PackInputs packs labels that mmpretrain's data sets provide themselves.
        if not any(loads_labels(s) or bare_name(s["type"]) == "PackInputs" for s in steps):
            raise InputError(
                "statistics are fitted on labelled images, but the test pipeline of the config "
                "loads no labels: add LoadAnnotations to it, or set fit_dataloader"
            )
        loader["dataset"] = _for_one_pass(dataset, steps)
    loader.update(own)
    return copy.deepcopy(loader)


def _for_one_pass(dataset: Mapping, steps: list[dict]) -> dict:
    """A data set without wrappers that repeat or mix images, with the steps of the test."""
    while "dataset" in dataset and bare_name(dataset["type"]) in _REPEATING:
        dataset = dataset["dataset"]
    if "datasets" in dataset:
        return dict(dataset, datasets=[_for_one_pass(part, steps) for part in dataset["datasets"]])
    if "dataset" in dataset and "pipeline" not in dataset:
        # Other wrappers define which images there are, or which labels they have.
        return dict(dataset, dataset=_for_one_pass(dataset["dataset"], steps))
    # The labels of the test data may be of a different kind.
    own = [step for step in dataset.get("pipeline") or () if loads_labels(step)]
    return dict(dataset, pipeline=[own[0] if own and loads_labels(s) else s for s in steps])
