"""One loaded model: all that inference, export, benchmarks and analyses need from a config."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from torch import nn
from torch.utils.data import Dataset

from mmosr.config.checks import check_has
from mmosr.config.loading import default_work_dir, load_config, set_scope
from mmosr.config.machine import replace_sync_bn, start_processes
from mmosr.config.pipelines import find_test_dataset, fit_dataloader, inference_pipeline
from mmosr.engine.checkpoint import load_checkpoint_strict, load_statistics
from mmosr.engine.packaged_weights import checkpoint_file
from mmosr.runs.hashes import content_hash, file_hash
from mmosr.runs.ranks import together
from mmosr.scored_model import set_scores
from mmosr.scores.entries import entry_configs
from mmosr.utils import InputError

from .image_loading import ImageLoader


@dataclass(frozen=True)
class Loaded:
    """A ready-to-use model, and what its config says about the rest; from :func:`load`.

    Args:
        model: In evaluation mode, on its device, with ``dataset_meta``.
        checkpoint: Its file; None for random weights.
    """

    model: nn.Module
    checkpoint: str | os.PathLike | None
    _given: Config = field(repr=False)  # as the user gave it
    _built: Config = field(repr=False)  # with the chosen scores, as used to build the model

    @classmethod
    def of(cls, model: nn.Module | Loaded) -> Loaded:
        """The same for a model from :func:`init_model`, which carries its config."""
        return model if isinstance(model, Loaded) else cls(model, None, model.cfg, model.cfg)

    @property
    def config_file(self) -> str:
        """Name of the config file."""
        return str(self._given.filename)

    @property
    def work_dir(self) -> str:
        """Folder of logs and results that the config names, or ``work_dirs/NAME``."""
        return default_work_dir(self._given)

    @property
    def classes(self) -> Sequence[str] | None:
        """Names of the known classes by label; None if nothing names them."""
        return (self.model.dataset_meta or {}).get("classes")

    @property
    def palette(self) -> Sequence | None:
        """Colours of the known classes."""
        return (self.model.dataset_meta or {}).get("palette")

    @property
    def steps(self) -> list[dict]:
        """The test pipeline without the steps that load labels; an InputError without one."""
        return inference_pipeline(self._built)

    @property
    def test_data(self) -> Mapping[str, Any]:
        """Config of the test data set; empty if there is none."""
        return self._test.get("dataset") or {}

    @property
    def batch_size(self) -> int:
        """Images per batch in a test."""
        return self._test.get("batch_size") or 1

    @property
    def workers(self) -> int:
        """Processes that load images in a test."""
        return self._test.get("num_workers") or 0

    @property
    def _test(self) -> Mapping[str, Any]:
        return self._given.get("test_dataloader") or {}

    def set_scope(self) -> None:
        """Make names resolve where the model's host registers its parts."""
        set_scope(self._built)

    def image_loader(self) -> ImageLoader:
        """Loads images for :attr:`steps` in the same way as the test data."""
        self.set_scope()
        return ImageLoader(self.steps, _known_data(self._built))

    def dataset(self, part: str) -> Dataset:
        """Build a data set of the config, with the steps of the test.

        Args:
            part: ``'test'``, ``'val'`` or ``'train'``.

        Raises:
            InputError: The config has no such data.
        """
        self.set_scope()
        if part == "test":
            check_has(self._built, ("test_dataloader",), "test")
            loader = self._built.test_dataloader
        else:
            loader = fit_dataloader(self._built, part)
        dataset = DATASETS.build(loader["dataset"])
        if hasattr(dataset, "full_init"):
            dataset.full_init()
        return dataset

    def set_reject_threshold(self, threshold: float) -> None:
        """Call predictions unknown if their first score is above a threshold."""
        self.model.reject_threshold = self._built.model.reject_threshold = threshold

    def identity(self, with_scores: bool = True) -> dict[str, str]:
        """What a record says about config and checkpoint, which are compared by content.

        Args:
            with_scores: False if the record lists the names of the scores itself: which of them
                were chosen then does not change the hash of the config.
        """
        model = self._built.model if with_scores else _without_score_names(self._given.model)
        return {
            "config": self.config_file,
            "config_sha256": content_hash([model, self.steps]),
            "checkpoint": os.fspath(self.checkpoint),
            "checkpoint_sha256": file_hash(checkpoint_file(self.checkpoint)),
        }

    def model_hash(self) -> str:
        """SHA-256 of the model's config without chosen scores, as adapted to the machine."""
        model = copy.deepcopy(self._given.model)
        if not torch.cuda.is_available():
            replace_sync_bn(model)
        return content_hash(model)

    def data_hash(self, part: str) -> str:
        """SHA-256 of the config of a data loader."""
        return content_hash(self._built.get(f"{part}_dataloader"))


def load(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None,
    scores: str | Sequence[str] | None = None,
    device: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    trust: bool = False,
    launcher: str | None = None,
) -> Loaded:
    """Build a segmentor or classifier and load its weights and fitted statistics.

    Args:
        config: Config file, or its content; not changed.
        checkpoint: Checkpoint file. Every key and shape must match. With None the weights are
            random, with a warning.
        scores: Anomaly score or scores that replace the config's. A plain mmseg ``EncoderDecoder``
            becomes an ``mmosr.OpenSetEncoderDecoder`` with these post-hoc scores, and an mmpretrain
            ``ImageClassifier`` an ``mmosr.OpenSetImageClassifier``.
        device: Such as ``cpu`` or ``cuda:1``; default: the current GPU, or the CPU without one.
        cfg_options: Settings merged into the config.
        trust: Allow a checkpoint that runs code when it is read. Only for your own files.
        launcher: What started the processes, as mmengine names it, or ``'none'``: processes and
            threads are then set up according to config and machine. Default: neither is touched.

    Raises:
        InputError: A file is missing, the weights do not match, or the score does not exist.
    """
    if isinstance(config, Config):
        config = copy.deepcopy(config)
        config.merge_from_dict(dict(cfg_options or {}))
    else:
        config = load_config(config, cfg_options)
    check_has(config, ("model",), "load")
    given = copy.deepcopy(config)
    if launcher is not None:
        start_processes(config, launcher)
    register_all_modules(init_default_scope=False)
    set_scope(config)
    if scores:
        set_scores(config.model, scores if isinstance(scores, str) else list(scores))
    # A process that cannot load its model stops the others.
    call = together if launcher is not None else lambda function: function()
    model = call(lambda: _build(config, checkpoint, _choose_device(device), trust))
    return Loaded(model, checkpoint, given, config)


def init_model(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None,
    device: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    score: str | Sequence[str] | None = None,
    trust: bool = False,
) -> nn.Module:
    """Only the model of :func:`load`, with its config as ``cfg``, like the hosts' functions.

    The arguments are those of :func:`load`.
    """
    return load(config, checkpoint, score, device, cfg_options, trust).model


def _build(
    config: Config, checkpoint: str | os.PathLike | None, device: torch.device, trust: bool
) -> nn.Module:
    model = MODELS.build(config.model)
    content: dict = {}
    if checkpoint is None:
        warnings.warn("no checkpoint: the weights of the model are random", stacklevel=4)
    else:
        content = load_checkpoint_strict(model, checkpoint, trust=trust)
    load_statistics(model, content)
    model.dataset_meta = content.get("meta", {}).get("dataset_meta") or _dataset_meta(config)
    model.cfg = config
    return model.to(device).eval()


def _choose_device(device: str | None) -> torch.device:
    if device is None and not torch.cuda.is_available():
        return torch.device("cpu")
    try:
        # Without a name: the current GPU, chosen by the launcher.
        return torch.empty(0, device=device or "cuda").device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device '{device}' cannot be used: {reason}") from error


def _known_data(config: Config) -> Mapping[str, Any]:
    """The config of the test data set; for wrapped ones, of the known images."""
    dataset = find_test_dataset(config)
    return dataset.get("known") or dataset


def _dataset_meta(config: Config) -> dict | None:
    """Classes and palette of the config's test data, which need not be on this machine."""
    dataset = _known_data(config)
    if "type" not in dataset:
        return None
    try:
        return DATASETS.build({**dataset, "lazy_init": True, "pipeline": []}).metainfo
    except (AssertionError, OSError, InputError):  # some look for their folders anyway
        return None


def _without_score_names(model: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a model, keeping only scores with options."""
    scores = entry_configs(model.get("score") or ())
    return {**model, "score": [score for score in scores if isinstance(score, Mapping)]}
