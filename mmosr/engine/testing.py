"""From a config and a checkpoint to the runner that tests it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import METRICS
from mmengine.runner import Runner

from mmosr.config.checks import check_data, check_has
from mmosr.config.loading import set_scope
from mmosr.config.lookup import dicts, registered_class
from mmosr.config.machine import fit_to_machine
from mmosr.evaluation import OpenSetRecognitionMetric
from mmosr.scored_model import set_scores
from mmosr.utils import InputError

from .checkpoint import check_safe
from .fit_hook import add_fit_hook
from .runners import build_runner

# The hosts' own wrappers keep the anomaly scores of only one view.
_TTA_MODELS = {
    "SegTTAModel": "mmosr.OpenSetTTAModel",
    "AverageClsScoreTTA": "mmosr.OpenSetClsTTAModel",
}


def testing_runner(
    cfg: Config,
    checkpoint: str | os.PathLike,
    scores: Sequence[str] | None = None,
    *,
    out_dir: str | None = None,
    show: bool = False,
    show_dir: str | None = None,
    wait_time: float = 2,
    tta: bool = False,
    trust: bool = False,
) -> Runner:
    """Check a config and a checkpoint, and build the runner that tests them.

    Args:
        cfg: The whole config, with ``work_dir``; changed in place.
        checkpoint: Weights and fitted statistics.
        scores: Names of anomaly scores that replace the config's own.
        out_dir: Folder for the predicted label maps, or for ``images.csv``, the scores of images.
        show: Show the painted images.
        show_dir: Folder for the painted images.
        wait_time: Seconds to show an image.
        tta: Test-time augmentation.
        trust: See :func:`~mmosr.engine.checkpoint.read_checkpoint`.

    Raises:
        InputError: A part or file is missing, or an option does not fit the config.
    """
    check_has(cfg, ("test_dataloader", "test_evaluator", "test_cfg"), "test")
    set_scope(cfg)
    if scores:
        set_scores(cfg.model, list(scores))
    add_fit_hook(cfg)  # the scores get the statistics in the checkpoint
    if show or show_dir:
        _set_drawing(cfg, show, show_dir, wait_time)
    if tta:
        _set_tta(cfg)
    if out_dir:
        _set_output(cfg, out_dir)
    cfg.resume, cfg.load_from = False, os.fspath(checkpoint)
    check_safe(cfg.load_from, trust)
    check_data(cfg, ["test_dataloader"])
    fit_to_machine(cfg)
    runner = build_runner(cfg)
    check_safe(cfg.load_from, trust, runner.model)
    # The hosts' own evaluators only know the labels.
    hosts = ("mmseg.", "mmpretrain.")
    if scores and all(kind and kind.__module__.startswith(hosts) for _, kind in _evaluators(cfg)):
        runner.logger.warning(
            "The evaluator computes no figures of the anomaly scores: set "
            "test_evaluator=dict(type='mmosr.OpenSetMetric') in the config, or for images "
            "dict(type='mmosr.OpenSetRecognitionMetric')."
        )
    return runner


def _require(cfg: Config, key: str, option: str) -> Any:
    """A part of the config that an option needs."""
    if not cfg.get(key):
        raise InputError(f"{option} needs '{key}' in the config, which has none")
    return cfg[key]


def _set_drawing(cfg: Config, show: bool, show_dir: str | None, wait_time: float) -> None:
    if cfg.get("default_scope") == "mmpretrain":
        raise InputError(
            "--show and --show-dir draw score maps, but a classifier of whole images has none: "
            "--out-dir DIR writes the scores of all images"
        )
    hook = _require(cfg, "default_hooks", "--show-dir").get("visualization")
    if not hook:
        raise InputError("--show and --show-dir need 'default_hooks.visualization' in the config")
    hook.draw = True
    if show:
        hook.show, hook.wait_time = True, wait_time
    if show_dir:
        _require(cfg, "visualizer", "--show-dir").save_dir = show_dir
        if str(cfg.model.type).startswith("mmosr."):
            heatmaps = dict(type="mmosr.AnomalyVisualizationHook", out_dir=show_dir)
            cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), heatmaps]


def _set_tta(cfg: Config) -> None:
    """Test several views of an image: those of ``tta_pipeline``, else also a mirrored one."""
    parts = [part for part in dicts(cfg.test_dataloader.dataset) if part.get("pipeline")]
    if not parts:
        raise InputError("--tta needs a pipeline in test_dataloader.dataset, which has none")
    images = cfg.get("default_scope") == "mmpretrain"
    if images and not cfg.get("tta_pipeline"):
        flips = [dict(type="RandomFlip", prob=prob) for prob in (0.0, 1.0)]
        for part in parts:  # as in mmpretrain's own tool
            *steps, pack = part.pipeline
            part.pipeline = [*steps, dict(type="TestTimeAug", transforms=[flips, [pack]])]
    else:
        pipeline = _require(cfg, "tta_pipeline", "--tta")
        if any(part.pipeline != parts[0].pipeline for part in parts):
            raise InputError(
                "--tta would replace all pipelines of test_dataloader.dataset by tta_pipeline, but "
                "they differ: test the parts one at a time, or for images leave tta_pipeline out, "
                "which adds a mirrored view to each"
            )
        for part in parts:
            part.pipeline = pipeline
    if images and not cfg.get("tta_model"):
        cfg.tta_model = dict(type="AverageClsScoreTTA")
    tta_model = _require(cfg, "tta_model", "--tta")
    host = str(tta_model.type).removeprefix(f"{cfg.get('default_scope')}.")
    if host in _TTA_MODELS and str(cfg.model.type).startswith("mmosr."):
        tta_model.type = _TTA_MODELS[host]
    tta_model.module = cfg.model
    cfg.model = tta_model


def _evaluators(cfg: Config) -> list[tuple[Any, type | None]]:
    """The config of each evaluator, with its class."""
    found = cfg.test_evaluator
    found = found if isinstance(found, (list, tuple)) else [found]
    return [(config, registered_class(METRICS, config["type"], None)) for config in found]


def _set_output(cfg: Config, folder: str) -> None:
    images = cfg.get("default_scope") == "mmpretrain"
    for evaluator, kind in _evaluators(cfg):
        if not images:
            evaluator.output_dir, evaluator.keep_results = folder, True
        elif kind is not None and issubclass(kind, OpenSetRecognitionMetric):
            evaluator.out_file = os.path.join(folder, "images.csv")
            return
    if images:
        raise InputError(
            "--out-dir gets the scores of images, which the evaluator does not read: set "
            "test_evaluator=dict(type='mmosr.OpenSetRecognitionMetric') in the config"
        )
