"""Runs all trials of a protocol for some methods."""

from __future__ import annotations

import copy
import functools
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS

from mmosr.config.loading import set_scope
from mmosr.engine import check_optimizer
from mmosr.engine.fit_hook import check_averaging
from mmosr.utils import InputError

from .config import UnfitDataError, method_config, trial_config
from .data import describe_data
from .job import Job, describe, trial_folder
from .launch import LOG, launch
from .protocols import ImageProtocol, load_image_protocol
from .report import write_report
from .result import ProtocolRun
from .trained import check_data_of, find_trained

_say = functools.partial(print, flush=True)


def run_protocol(
    name: str,
    methods: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    trials: Sequence[int] | None = None,
    scores: Sequence[str] | None = None,
    *,
    data: str | os.PathLike | None = None,
    trained: str | os.PathLike | None = None,
    seeds: Sequence[int] | None = None,
    amp: bool = False,
    resume: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
) -> ProtocolRun:
    """Train and test methods on the trials of a protocol, and write the report.

    The trials run one after the other, each in its own process and its own folder
    ``out/METHOD/trial_NUMBER``. A trial that fails is reported in one line and the others continue.
    With ``resume`` finished trials are kept, and a trial that was stopped for any reason continues
    from its last checkpoint.

    Args:
        name: Identifier of the protocol, see docs/protocols.md.
        methods: Config files; each method is named after its file.
        out: Folder of the results.
        trials: Numbers of the trials. Default: all.
        scores: Anomaly scores instead of each config's own.
        data: Config file with the data that all methods use instead of their own, see
            :func:`~mmosr.benchmark.images.config.replace_data`.
        trained: ``out`` of another run, whose checkpoints are tested; nothing is trained.
        seeds: Run each trial with each of these seeds instead of the config's own; the folders are
            then ``trial_NUMBER_seed_SEED``.
        amp: Train with automatic mixed precision.
        resume: Continue what is in ``out``.
        cfg_options: Changes to every config, by dotted keys.

    Raises:
        InputError: Raised before anything is trained: the protocol or trial does not exist, a
            config does not fit it or cannot be built, data are missing, ``out`` holds other trials,
            or ``trained`` lacks one.
    """
    protocol = load_image_protocol(name)
    trials = list(range(protocol.trials) if trials is None else trials)
    _check_seeds(protocol, trials, seeds)
    _check_names(methods)
    out = Path(out).expanduser()
    jobs = []
    try:
        for path in methods:
            config = method_config(path, protocol, data, amp=amp, cfg_options=cfg_options)
            for trial, seed in itertools.product(trials, dict.fromkeys(seeds or [None])):
                cfg = trial_config(config, protocol, trial, scores, seed)
                jobs.append(_job(cfg, protocol, trial, seed, out, trained))
        for job in jobs:
            job.check(resume)
        for job in jobs:
            if job.record["trial"] == trials[0] and not job.finished:
                check_builds(job, protocol)
    except UnfitDataError as error:
        if data is not None:
            raise
        raise InputError(
            f"{error}; --data configs/_base_/protocols/{protocol.identifier}.py gives all methods "
            "the data of the protocol"
        ) from error
    for job in jobs:
        job.start()
    run = ProtocolRun(protocol)
    for number, job in enumerate(jobs, 1):
        _run_job(job, run, f"[{number}/{len(jobs)}] {job.method}, trial {job.name}")
    run.written = write_report(out, run)
    return run


def check_builds(job: Job, protocol: ImageProtocol) -> None:
    """Build the data and the model of a trial once, as a check.

    Raises:
        InputError: See :func:`~mmosr.benchmark.images.data.describe_data` and
            :func:`~mmosr.engine.check_optimizer`, the model has another number of known classes,
            its weights are averaged (its statistics cannot be), or its checkpoint was
            trained on other data.
    """
    cfg = job.config
    check_data_of(job.record["trained"], describe_data(cfg, protocol))
    set_scope(cfg, "mmpretrain")
    model = MODELS.build(copy.deepcopy(cfg.model))  # mmpretrain changes it
    classes = getattr(model, "known_classes", None)
    if classes is None:
        raise InputError(
            f"config {cfg.filename}: model type '{cfg.model.type}' gives no anomaly score: choose "
            "some, such as --scores msp energy"
        )
    if classes != protocol.num_known:
        raise UnfitDataError(
            f"config {cfg.filename}: the model has {classes} classes, but protocol "
            f"{protocol.identifier} has {protocol.num_known}: set model.head.num_classes, or that "
            "of model.backbone where the head has none"
        )
    if job.record["trained"] is None:
        check_optimizer(cfg, model)
        check_averaging(cfg, model)


def _check_seeds(
    protocol: ImageProtocol, trials: Sequence[int], seeds: Sequence[int] | None
) -> None:
    if seeds and protocol.class_split is None and trials != [0]:
        # Trial 1 of seed 0 would be trial 0 of seed 1.
        raise InputError(
            f"the trials of protocol {protocol.identifier} differ only in their seed: add "
            "--trials 0 to --seeds"
        )


def _check_names(methods: Sequence[str | os.PathLike]) -> None:
    names = [Path(path).stem for path in methods]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two configs are called {twice[0]}: rename one, results go by the name")


def _job(
    cfg: Config,
    protocol: ImageProtocol,
    trial: int,
    seed: int | None,
    out: Path,
    trained: str | os.PathLike | None,
) -> Job:
    place, source = (Path(cfg.filename).stem, trial, seed), None
    if trained is not None:
        source = find_trained(trial_folder(Path(trained).expanduser(), *place), cfg)
    record = describe(cfg, protocol, trial, source)
    name = trial if seed is None else f"{trial} seed {seed}"
    return Job(cfg, record, trial_folder(out, *place), name)


def _run_job(job: Job, run: ProtocolRun, title: str) -> None:
    if job.finished:
        _say(f"{title}: finished before")
    else:
        _say(f"{title}: running, log in {job.folder / LOG}")
        began = time.monotonic()
        failure = launch(job.folder, lambda line: _say(f"{title}: {line}"))
        if failure is not None:
            _say(f"{title} failed: {failure}")
            run.failures.setdefault(job.method, {})[job.name] = failure
            return
        minutes = (time.monotonic() - began) / 60
        _say(f"{title}: done in {minutes:.1f} min: {_main_figures(job.result, run.protocol)}")
    run.results.setdefault(job.method, {})[job.name] = job.result


def _main_figures(result: Mapping, protocol: ImageProtocol) -> str:
    """The closed-set accuracy and the first figure of each score."""
    main = next(name for name in protocol.figures if "/" not in name)
    figures = result["figures"]
    names = ["accuracy/top1", *(name for name in figures if name.endswith(f"/{main}"))]
    return ", ".join(f"{name} {figures[name]:.2f}" for name in names if name in figures)
