"""All trials of a protocol for some methods."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmosr.evaluation.image_protocols import ImageProtocol, load_image_protocol
from mmosr.utils import InputError
from mmosr.utils.config import load_config

from .data import describe_data
from .job import Job, check_start, describe, start, trial_config
from .launch import LOG, launch
from .report import write_report


@dataclass
class ProtocolRun:
    """What a run of :func:`run_protocol` has given.

    Args:
        protocol: The protocol.
        results: By method and trial, the content of ``result.json``.
        failures: By method and trial, one line.
        written: Files of the report.
    """

    protocol: ImageProtocol
    results: dict[str, dict[int, dict]] = field(default_factory=dict)
    failures: dict[str, dict[int, str]] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)


def run_protocol(
    name: str,
    methods: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    trials: Sequence[int] | None = None,
    scores: Sequence[str] | None = None,
    *,
    resume: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
) -> ProtocolRun:
    """Train and test methods on the trials of a protocol, and write the report.

    Each trial has a process of its own, one after the other, and the folder
    ``out/METHOD/trial_NUMBER``. A trial that fails is named in one line and the others go on. With
    ``resume`` finished trials are kept and a trial that was stopped, however it was, goes on from
    its last checkpoint.

    Args:
        name: Identifier of the protocol, see docs/protocols.md.
        methods: Config files; each is called by the name of its file.
        out: Folder of the results.
        trials: Default: all.
        scores: Anomaly scores instead of each config's own.
        resume: Go on with what is in ``out``.
        cfg_options: Changes of every config, by dotted keys.

    Raises:
        InputError: Before anything is trained: no such protocol or trial, a config that does not
            fit it or does not build, data that are missing, or ``out`` holds other trials.
    """
    protocol = load_image_protocol(name)
    trials = list(range(protocol.trials)) if trials is None else list(trials)
    jobs = []
    for config in _load(methods, cfg_options):
        jobs += _jobs(config, protocol, Path(out).expanduser(), trials, scores)
    for job in jobs:
        check_start(job, resume)
    for job in jobs:
        if job.trial == trials[0] and not job.finished:
            check_builds(job.config, protocol)
    for job in jobs:
        start(job, resume)
    run = ProtocolRun(protocol)
    for number, job in enumerate(jobs, 1):
        _run_job(job, run, f"[{number}/{len(jobs)}] {job.method}, trial {job.trial}")
    run.written = write_report(Path(out).expanduser(), run)
    return run


def check_builds(cfg: Config, protocol: ImageProtocol) -> None:
    """Build the data and the model of a trial, and forget them.

    Raises:
        InputError: See :func:`~mmosr.recognition_protocol.data.describe_data`, or the model is not
            made for the number of known classes.
    """
    describe_data(cfg, protocol)
    init_default_scope(cfg.get("default_scope") or "mmpretrain")
    model = MODELS.build(copy.deepcopy(cfg.model))  # mmpretrain writes into it
    classes = getattr(model, "known_classes", None)
    if classes is None:
        raise InputError(
            f"config {cfg.filename}: model type '{cfg.model.type}' gives no anomaly score: name "
            "some, such as --scores msp energy"
        )
    if classes != protocol.num_known:
        raise InputError(
            f"config {cfg.filename}: the model has {classes} classes, and protocol "
            f"{protocol.identifier} has {protocol.num_known}: set model.head.num_classes"
        )


def _load(
    methods: Sequence[str | os.PathLike], cfg_options: Mapping[str, Any] | None
) -> list[Config]:
    configs = [load_config(path, cfg_options) for path in methods]
    names = [Path(path).stem for path in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two configs are called {twice[0]}: rename one, results go by the name")
    return configs


def _jobs(
    config: Config,
    protocol: ImageProtocol,
    out: Path,
    trials: Sequence[int],
    scores: Sequence[str] | None,
) -> list[Job]:
    init_default_scope(config.get("default_scope") or "mmpretrain")
    method, jobs = Path(config.filename).stem, []
    for trial in trials:
        cfg = trial_config(config, protocol, trial, scores)
        record = describe(cfg, protocol, method, trial)
        jobs.append(Job(method, trial, cfg, record, out / method / f"trial_{trial}"))
    return jobs


def _run_job(job: Job, run: ProtocolRun, title: str) -> None:
    if job.finished:
        _say(f"{title}: finished before")
    else:
        _say(f"{title}: running, log in {job.folder / LOG}")
        began = time.monotonic()
        failure = launch(job.folder, lambda line: _say(f"{title}: {line}"))
        if failure is not None:
            _say(f"{title} failed: {failure}")
            run.failures.setdefault(job.method, {})[job.trial] = failure
            return
        minutes = (time.monotonic() - began) / 60
        _say(f"{title}: done in {minutes:.1f} min: {_main_figures(job.result, run.protocol)}")
    run.results.setdefault(job.method, {})[job.trial] = job.result


def _main_figures(result: Mapping, protocol: ImageProtocol) -> str:
    """The closed-set accuracy and the first figure of each score."""
    main = next(name for name in protocol.figures if "/" not in name)
    figures = result["figures"]
    names = ["accuracy/top1", *(name for name in figures if name.endswith(f"/{main}"))]
    return ", ".join(f"{name} {figures[name]:.2f}" for name in names if name in figures)


def _say(line: str) -> None:
    print(line, flush=True)
