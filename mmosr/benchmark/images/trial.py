"""One trial, in its own process: ``python -m mmosr.benchmark.images.trial FOLDER``.

The folder holds the config and the record of the trial. Training continues from the last checkpoint
in it, or is skipped if the record names a checkpoint; the figures are written last.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmosr.engine.runners import last_checkpoint, training_runner
from mmosr.engine.testing import testing_runner
from mmosr.evaluation.image_table import read_image_table
from mmosr.runs.hashes import file_hash
from mmosr.runs.record import read_json, write_json
from mmosr.utils import InputError
from mmosr.utils.cli import run_tool

from .data import describe_data
from .job import CONFIG, RESULT, TRIAL_RECORD, trial_openness, trial_title
from .plots import write_plots
from .protocols import load_image_protocol
from .trained import check_checkpoint, check_data_of

IMAGES, PLOTS = "images.csv", "plots"
METRIC = "mmosr.OpenSetRecognitionMetric"
THRESHOLD = "/rejection-threshold"
WATCH_SECONDS = 0.5


def run_trial(folder: Path) -> None:
    """Train, choose the thresholds on the validation images, test, and write the figures.

    ``result.json`` has the record, ``figures`` (the metric's keys, in percent), ``openness`` in
    percent, ``thresholds`` by score, ``data`` and the checkpoint with its SHA-256. Next to it are
    the scores of the test images (``images.csv``) and ``plots``.

    Raises:
        InputError: The data do not fit the protocol, training left no checkpoint, or the one named
            in the record has changed.
    """
    record = read_json(folder / TRIAL_RECORD)
    cfg = Config.fromfile(folder / CONFIG)
    protocol = load_image_protocol(record["protocol"])
    data = describe_data(cfg, protocol)
    trained = record.get("trained")
    check_data_of(trained, data)
    if trained is None:
        checkpoint = train(cfg, folder / "train")
        name, sha256 = os.path.relpath(checkpoint, folder), file_hash(checkpoint)
    else:
        checkpoint = Path(trained["checkpoint"])
        name, sha256 = trained["checkpoint"], trained["checkpoint_sha256"]
        check_checkpoint(checkpoint, sha256)
    validated = evaluate(cfg, checkpoint, "val", folder)
    thresholds = {
        name.removesuffix(THRESHOLD): value
        for name, value in validated.items()
        if name.endswith(THRESHOLD)
    }
    options = dict(thresholds=thresholds, topk=[1, 5] if protocol.num_known > 5 else [1])
    figures = evaluate(cfg, checkpoint, "test", folder, out_file=str(folder / IMAGES), **options)
    result = {
        **record,
        "figures": figures,
        "openness": trial_openness(protocol, record["trial"]),
        "thresholds": thresholds,
        "data": data,
        "checkpoint": name,
        "checkpoint_sha256": sha256,
    }
    title = trial_title(record, folder.resolve())
    table = read_image_table(folder / IMAGES)
    write_plots(folder / PLOTS, table, data["known_classes"], thresholds, title)
    write_json(folder / RESULT, result)


def train(cfg: Config, work_dir: Path) -> Path:
    """Train, from the last checkpoint in ``work_dir`` if there is one; return the new last one.

    Raises:
        InputError: There is no checkpoint after training.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.experiment_name = str(work_dir), "train"
    last = _whole_checkpoint(work_dir)
    training_runner(cfg, None if last is None else str(last)).train()
    last = _whole_checkpoint(work_dir)
    if last is None:
        raise InputError("training kept no checkpoint: set default_hooks.checkpoint in the config")
    return last


def _whole_checkpoint(work_dir: Path) -> Path | None:
    """The last checkpoint; None if it is gone, as after a kill while the next one replaces it."""
    last = last_checkpoint(work_dir)
    return last if last is not None and last.is_file() else None


def evaluate(
    cfg: Config, checkpoint: Path, part: str, folder: Path, **options: Any
) -> dict[str, float]:
    """Figures of the checkpoint on a part of the data, ``val`` or ``test``.

    The options are passed to the metric.
    """
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.experiment_name = str(folder / part), part
    cfg.test_dataloader, cfg.test_cfg = cfg[f"{part}_dataloader"], {}
    cfg.test_evaluator = dict(type=METRIC, **options)
    found = testing_runner(cfg, checkpoint).test()
    return {name: float(value) for name, value in found.items()}


def end_with(parent: int) -> None:
    """End this process when its parent is gone, so that never two work on the same trial."""

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
