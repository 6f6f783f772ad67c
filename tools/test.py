"""Test a model: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
import os
import sys

import mmosr  # noqa: F401  before torch: it says how threads wait

# isort: split
from mmengine.config import Config
from mmengine.registry import HOOKS, METRICS, RUNNERS, init_default_scope
from mmengine.runner import Runner

from mmosr.config.loading import (
    check_data,
    check_has,
    dicts,
    fit_to_machine,
    load_config,
    set_work_dir,
)
from mmosr.engine import FitHook
from mmosr.engine.checkpoint import check_safe
from mmosr.evaluation import OpenSetRecognitionMetric
from mmosr.scored_model import set_scores
from mmosr.utils import InputError
from mmosr.utils.cli import add_checkpoint_argument, add_common_arguments, run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file")
    add_checkpoint_argument(parser)
    parser.add_argument(
        "--score", nargs="+", metavar="NAME", help="anomaly scores, instead of the config's own"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder for the predicted label maps, or for images.csv, the scores of all images",
    )
    parser.add_argument("--show", action="store_true", help="show the painted images")
    parser.add_argument("--show-dir", metavar="DIR", help="folder for the painted images")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds to show an image")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    add_common_arguments(parser)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


# The hosts' own keep the anomaly scores of one view.
TTA_MODELS = {
    "SegTTAModel": "mmosr.OpenSetTTAModel",
    "AverageClsScoreTTA": "mmosr.OpenSetClsTTAModel",
}


def require(cfg: Config, key: str, option: str):
    """A part of the config that an option needs."""
    if not cfg.get(key):
        raise InputError(f"{option} needs '{key}' in the config, which has none")
    return cfg[key]


def set_drawing(cfg: Config, args: argparse.Namespace) -> None:
    if cfg.get("default_scope") == "mmpretrain":
        raise InputError(
            "--show and --show-dir draw score maps, which a classifier of whole images has not: "
            "--out DIR writes the scores of all images"
        )
    hook = require(cfg, "default_hooks", "--show-dir").get("visualization")
    if not hook:
        raise InputError("--show and --show-dir need 'default_hooks.visualization' in the config")
    hook.draw = True
    if args.show:
        hook.show, hook.wait_time = True, args.wait_time
    if args.show_dir:
        require(cfg, "visualizer", "--show-dir").save_dir = args.show_dir
        if str(cfg.model.type).startswith("mmosr."):
            heatmaps = dict(type="mmosr.AnomalyVisualizationHook", out_dir=args.show_dir)
            cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), heatmaps]


def set_tta(cfg: Config) -> None:
    images = cfg.get("default_scope") == "mmpretrain"
    set_views(cfg, mirror=images and not cfg.get("tta_pipeline"))
    if images and not cfg.get("tta_model"):
        cfg.tta_model = dict(type="AverageClsScoreTTA")
    tta_model = require(cfg, "tta_model", "--tta")
    host = str(tta_model.type).removeprefix(f"{cfg.get('default_scope')}.")
    if host in TTA_MODELS and str(cfg.model.type).startswith("mmosr."):
        tta_model.type = TTA_MODELS[host]
    tta_model.module = cfg.model
    cfg.model = tta_model


def set_views(cfg: Config, mirror: bool) -> None:
    """Let the test data give several views of an image.

    Args:
        cfg: Changed in place.
        mirror: Add a mirrored view to what each part of the data does, as mmpretrain's own tool
            does, instead of taking ``tta_pipeline`` for all.
    """
    parts = [part for part in dicts(cfg.test_dataloader.dataset) if part.get("pipeline")]
    if not parts:
        raise InputError("--tta needs a pipeline in test_dataloader.dataset, which has none")
    pipelines = [with_mirrored_view(part.pipeline) for part in parts]
    if not mirror:
        pipelines = [require(cfg, "tta_pipeline", "--tta")] * len(parts)
        if any(part.pipeline != parts[0].pipeline for part in parts):
            raise InputError(
                "--tta would put the one tta_pipeline in place of all pipelines of "
                "test_dataloader.dataset, and these differ: test the parts one at a time, or with "
                "images leave tta_pipeline out, which adds a mirrored view to each"
            )
    for part, pipeline in zip(parts, pipelines, strict=True):
        part.pipeline = pipeline


def with_mirrored_view(pipeline: list[dict]) -> list[dict]:
    """The pipeline with the image and its mirror image in its last step."""
    *steps, pack = pipeline
    flips = [dict(type="RandomFlip", prob=0.0), dict(type="RandomFlip", prob=1.0)]
    return [*steps, dict(type="TestTimeAug", transforms=[flips, [pack]])]


def set_fit_hook(cfg: Config) -> None:
    """Let the scores get the statistics that the checkpoint carries."""
    hooks = list(cfg.get("custom_hooks") or [])
    if not any(HOOKS.get(hook["type"]) is FitHook for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type="mmosr.FitHook")]


def evaluators_of(cfg: Config) -> list[dict]:
    evaluators = cfg.test_evaluator
    return list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]


def gives_anomaly_figures(cfg: Config) -> bool:
    """False where all evaluators are the host's own, which know the labels alone."""
    with METRICS.switch_scope_and_registry(None) as registry:
        kinds = [registry.get(evaluator["type"]) for evaluator in evaluators_of(cfg)]
    hosts = ("mmseg.", "mmpretrain.")
    return not all(kind is not None and kind.__module__.startswith(hosts) for kind in kinds)


def set_output(cfg: Config, folder: str) -> None:
    if cfg.get("default_scope") == "mmpretrain":
        set_image_output(cfg, folder)
        return
    for evaluator in evaluators_of(cfg):
        evaluator.output_dir = folder
        evaluator.keep_results = True


def set_image_output(cfg: Config, folder: str) -> None:
    with METRICS.switch_scope_and_registry(None) as registry:
        found = [
            evaluator
            for evaluator in evaluators_of(cfg)
            if issubclass(registry.get(evaluator["type"]) or object, OpenSetRecognitionMetric)
        ]
    if not found:
        raise InputError(
            "--out writes the scores of images, which the evaluator does not read: set "
            "test_evaluator=dict(type='mmosr.OpenSetRecognitionMetric') in the config"
        )
    found[0].out_file = os.path.join(folder, "images.csv")


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.config, args.work_dir)
    check_has(cfg, args.config, ("test_dataloader", "test_evaluator", "test_cfg"), "test")
    init_default_scope(cfg.get("default_scope") or "mmseg")
    if args.score:
        set_scores(cfg.model, args.score)
    set_fit_hook(cfg)
    if args.show or args.show_dir:
        set_drawing(cfg, args)
    if args.tta:
        set_tta(cfg)
    if args.out:
        set_output(cfg, args.out)
    cfg.resume, cfg.load_from = False, args.checkpoint
    check_safe(cfg.load_from, args.trust_checkpoint)
    check_data(cfg, ["test_dataloader"])
    fit_to_machine(cfg)

    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    check_safe(cfg.load_from, args.trust_checkpoint, runner.model)
    if args.score and not gives_anomaly_figures(cfg):
        runner.logger.warning(
            "The evaluator gives no figures of the anomaly scores: set "
            "test_evaluator=dict(type='mmosr.OpenSetMetric') in the config, or for images "
            "dict(type='mmosr.OpenSetRecognitionMetric')."
        )
    runner.test()


if __name__ == "__main__":
    sys.exit(run_tool(main))
