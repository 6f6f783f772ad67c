"""A benchmark: one pass over the images of several data sets, all scores, all figures."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed, is_main_process
from mmengine.utils.dl_utils import set_multi_processing
from torch import nn

from mmosr.apis.inference import init_model
from mmosr.config.loading import fit_to_machine, load_config
from mmosr.runs.ranks import FailureNote, from_first, together
from mmosr.utils import InputError

from .data import OWN_TEST_DATA, BenchmarkData, find_benchmarks
from .dataset_run import DatasetRun
from .passes import Predictor
from .record import check_same, describe, start_record
from .report import write_report
from .result import DatasetResult


def run_benchmark(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    datasets: Sequence[str] = (OWN_TEST_DATA,),
    scores: Sequence[str] | None = None,
    *,
    resume: bool = False,
    keep_maps: bool = False,
    device: str | None = None,
    trust: bool = False,
) -> tuple[list[DatasetResult], list[Path]]:
    """Test a model on open-set data sets and write the report.

    Each image goes through the network once. What is done is kept image by image: a run that was
    stopped, however it was, goes on with ``resume`` and gives the same numbers, on any number of
    ranks. In a distributed run all ranks call this together, each takes its share of the images,
    and the first one writes the report.

    Args:
        config: Config file of the model, or its content; with ``launcher`` set in it the process
            group is made when there is none.
        checkpoint: Its checkpoint.
        out: Folder of the results; every rank must see it.
        datasets: Names of files in ``configs/_base_/benchmarks``, paths of files of that kind, or
            ``test`` for the test data of the config.
        scores: Names of the anomaly scores; default: those of the config. A plain mmseg model
            gets post-hoc scores.
        resume: Go on with the run in ``out``.
        keep_maps: Keep the score maps of all images, as float32 ``.npy``, in ``out/NAME/maps``.
        device: Such as ``cpu`` or ``cuda:1``; default: the GPU of this rank, or the CPU.
        trust: Allow a checkpoint that runs code when it is read. Only for files of your own.

    Returns:
        The results and the files of the report; both are empty on the ranks after the first.

    Raises:
        InputError: A data set is not there, the checkpoint does not fit, ``out`` holds another
            run, or an image is unreadable, wrongly labelled, or has scores that are not finite.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    fitted = _start_processes(config)
    out = Path(out).expanduser()
    data = together(lambda: [BenchmarkData(b, fitted) for b in find_benchmarks(datasets, fitted)])
    model = together(lambda: _load(fitted, checkpoint, device, scores, trust))
    note = FailureNote(out)
    loader = config.get("test_dataloader") or {}
    batch_size, workers = loader.get("batch_size") or 1, loader.get("num_workers") or 0
    run = together(lambda: describe(config, checkpoint, model.score_names, data, batch_size))
    first = from_first(lambda: start_record(out, run, resume))
    together(lambda: check_same(first, run))

    runs = []
    for part in data:
        closed_set = part.shares_classes((model.dataset_meta or {}).get("classes"))
        predictor = Predictor(model, part, batch_size, workers, closed_set)
        classes = len(part.classes) if closed_set else None
        names = list(model.score_names)
        folder = out / part.name
        runs.append(DatasetRun(part, predictor, names, classes, folder, note, keep_maps))
    with _repeatable():
        results = [part.run() for part in runs]
    written = from_first(lambda: write_report(out, results, run))
    if not is_main_process():
        return [], []
    for part in runs:
        part.remove_maps()
    return results, written


def _start_processes(config: Config) -> Config:
    """Make the process group that the config asks for; return a config that fits the machine."""
    config = copy.deepcopy(config)
    fit_to_machine(config, measure_load=False)  # a resumed run shall give the same digits
    launcher = config.get("launcher") or "none"
    env = config.get("env_cfg") or {}
    # As mmengine's runner does: OpenCV in the processes that load images shall not take them all.
    set_multi_processing(**env.get("mp_cfg", {}), distributed=launcher != "none")
    if launcher != "none" and not is_distributed():
        init_dist(launcher, **env.get("dist_cfg", {}))
    return config


def _load(
    config: Config,
    checkpoint: str | os.PathLike,
    device: str | None,
    scores: Sequence[str] | None,
    trust: bool,
) -> nn.Module:
    if device is None and torch.cuda.is_available():
        device = f"cuda:{torch.cuda.current_device()}"  # the launcher has chosen it
    scores = list(scores) if scores else None
    model = init_model(config, checkpoint, device, score=scores, trust=trust)
    if not hasattr(model, "score_names"):
        raise InputError(
            f"model type '{config.model.type}' gives no anomaly score: name some that need no "
            "training, such as --scores msp energy"
        )
    return model


def _repeatable():
    """The same digits in every run on one machine: algorithms are not chosen by their speed."""
    flags = torch.backends.cudnn
    return flags.flags(
        enabled=flags.enabled,
        benchmark=False,
        deterministic=True,
        allow_tf32=flags.allow_tf32,
    )
