"""One trial, in a process of its own: ``python -m mmosr.recognition_protocol.trial FOLDER``.

The folder holds the config and the record of the trial. Training goes on from the last checkpoint
in it; the figures are written last.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from mmosr.engine.checkpoint import check_safe
from mmosr.evaluation.image_protocols import load_image_protocol
from mmosr.utils import InputError
from mmosr.utils.cli import run_tool
from mmosr.utils.config import check_optimizer, fit_to_machine
from mmosr.utils.hashes import file_hash

from .data import describe_data
from .job import CONFIG, RECORD, RESULT, read_json, write_json

METRIC = "mmosr.OpenSetRecognitionMetric"
THRESHOLD = "/rejection-threshold"
WATCH_SECONDS = 0.5


def run_trial(folder: Path) -> dict:
    """Train, choose the thresholds on the validation images, test, and write the figures.

    Args:
        folder: Of the trial.

    Returns:
        The content of ``result.json``: the record, ``figures`` (the metric's keys, in percent),
        ``thresholds`` by score, ``data`` and the checkpoint with its SHA-256.

    Raises:
        InputError: The data do not fit the protocol, or training left no checkpoint.
    """
    record = read_json(folder / RECORD)
    cfg = Config.fromfile(folder / CONFIG)
    data = describe_data(cfg, load_image_protocol(record["protocol"]))
    fit_to_machine(cfg)
    checkpoint = train(cfg, folder / "train")
    validated = evaluate(cfg, checkpoint, "val", folder)
    thresholds = {
        name.removesuffix(THRESHOLD): value
        for name, value in validated.items()
        if name.endswith(THRESHOLD)
    }
    figures = evaluate(cfg, checkpoint, "test", folder, thresholds)
    result = {
        **record,
        "figures": figures,
        "thresholds": thresholds,
        "data": data,
        "checkpoint": str(checkpoint.relative_to(folder)),
        "checkpoint_sha256": file_hash(checkpoint),
    }
    write_json(folder / RESULT, result)
    return result


def train(cfg: Config, work_dir: Path) -> Path:
    """Train, from the last checkpoint in ``work_dir`` where there is one; give the new last one.

    Raises:
        InputError: There is no checkpoint after training.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.experiment_name = str(work_dir), "train"
    last = last_checkpoint(work_dir)
    if last is not None:
        cfg.resume, cfg.load_from = True, str(last)
    if cfg.load_from:
        check_safe(cfg.load_from)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    check_optimizer(cfg)
    runner.train()
    last = last_checkpoint(work_dir)
    if last is None:
        raise InputError("training kept no checkpoint: set default_hooks.checkpoint in the config")
    return last


def last_checkpoint(work_dir: Path) -> Path | None:
    """The last whole checkpoint, wherever the folder lay when it was written."""
    if not work_dir.is_dir():
        return None
    name = find_latest_checkpoint(str(work_dir))
    path = None if name is None else work_dir / os.path.basename(name)
    return path if path is not None and path.is_file() else None


def evaluate(
    cfg: Config,
    checkpoint: Path,
    part: str,
    folder: Path,
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Figures of the checkpoint on a part of the data.

    Args:
        cfg: Of the trial.
        checkpoint: With the statistics of the scores.
        part: ``val`` or ``test``.
        folder: Of the trial.
        thresholds: By score, for the macro F1.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.experiment_name = str(folder / part), part
    cfg.resume, cfg.load_from = False, str(checkpoint)
    cfg.test_dataloader, cfg.test_cfg = cfg[f"{part}_dataloader"], {}
    cfg.test_evaluator = dict(type=METRIC, thresholds=dict(thresholds) if thresholds else None)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    return {name: float(value) for name, value in runner.test().items()}


def end_with(parent: int) -> None:
    """End this process as soon as its parent is gone, so that no two work on one trial."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the trial")
    parser.add_argument("--parent", type=int, help="process to end with")
    args = parser.parse_args()
    if args.parent:
        end_with(args.parent)
    run_trial(args.folder)


if __name__ == "__main__":
    sys.exit(run_tool(main))
