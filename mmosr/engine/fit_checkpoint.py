"""Fitting statistics for a finished checkpoint, however it was trained."""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from mmosr.config.loading import set_scope
from mmosr.config.machine import fit_to_machine
from mmosr.registry import SCORES
from mmosr.runs.files import atomic_write
from mmosr.scored_model import set_scores
from mmosr.scores import FittedScore
from mmosr.utils import InputError

from .checkpoint import SCORE_STATISTICS, load_weights, read_checkpoint, unwrap
from .fit import CLASSIFIER, fit_loaders, fit_statistics, fittable_parts
from .packaged_weights import SUFFIX, checkpoint_file, is_packaged

# What the runner takes from the config besides the model; it has no loops.
_PROCESS_KEYS = ("data_preprocessor", "launcher", "env_cfg", "default_scope", "randomness")
_LOG_KEYS = ("log_processor", "log_level", "experiment_name")


@dataclass(frozen=True)
class FittedCheckpoint:
    """The result of :func:`fit_checkpoint`.

    Args:
        path: The new checkpoint; None on ranks other than the first, or if nothing was fitted.
        parts: What was fitted.
        scores: Scores to test it with; empty: those of the config.
        error: Why the other parts could not be fitted; None if all were.
    """

    path: Path | None
    parts: list[str]
    scores: list[str]
    error: Exception | None


def fit_checkpoint(
    cfg: Config,
    checkpoint: str | os.PathLike,
    scores: Sequence[str] | None = None,
    out: str | os.PathLike | None = None,
    trust: bool = False,
) -> FittedCheckpoint:
    """Write a copy of a checkpoint with fitted statistics next to its weights.

    Every training image is used once. With CAC the anchors, which are part of the weights, are
    re-estimated. A part that cannot be fitted does not stop the others. All ranks call this
    together.

    Args:
        cfg: The whole config, with ``work_dir``; changed in place.
        checkpoint: Checkpoint of any mmseg or mmpretrain config.
        scores: Scores to fit; default: those of the config that need fitting, and the anchors of
            CAC.
        out: The file; default: the name of the checkpoint with ``_fitted``; for packaged weights in
            the work folder.
        trust: See :func:`~mmosr.engine.checkpoint.read_checkpoint`.

    Raises:
        InputError: A file is missing or does not fit, or there is nothing to fit.
    """
    if scores:
        set_scope(cfg)
        set_scores(cfg.model, list(scores))
    out = _output_file(checkpoint, out, cfg.work_dir)
    content = read_checkpoint(checkpoint, trust)
    fit_to_machine(cfg)
    options = {key: cfg[key] for key in _PROCESS_KEYS + _LOG_KEYS if cfg.get(key) is not None}
    runner = Runner(model=cfg.model, work_dir=cfg.work_dir, cfg=cfg, **options)
    model = unwrap(runner.model)
    names = load_to_fit(model, content, _choose_parts(model, scores), checkpoint)
    error, parts = None, fittable_parts(model)
    # Not below `try`: until a pass begins, what the checkpoint brings counts as fitted.
    loaders = fit_loaders(runner, [parts[name] for name in names])
    try:
        fit_statistics(model, loaders, names)
    except Exception as failure:  # for the caller, after what was fitted is written
        error = failure
    fitted = [name for name in names if parts[name].fitted]
    if error is not None:
        scores = [
            name for name in scores or model.score_names if name in fitted or name not in names
        ]
    if fitted and is_main_process():
        with atomic_write(out) as path:
            torch.save(_fitted_copy(content, model, fitted), path)
    if error is not None and fitted:
        barrier()  # the launcher ends all processes as soon as one of them fails
    written = out if fitted and is_main_process() else None
    return FittedCheckpoint(written, fitted, list(scores or []), error)


def load_to_fit(
    model: nn.Module, content: dict, names: list[str], checkpoint: str | os.PathLike
) -> list[str]:
    """Load the weights, and put the classifier before ``names`` if it is still to be fitted."""
    load_weights(model, content, checkpoint)
    if CLASSIFIER in fittable_parts(model) and not model.classifier.fitted:
        # The class scores that other scores are fitted on need it.
        names = list(dict.fromkeys([CLASSIFIER, *names]))
    return names


def _output_file(
    checkpoint: str | os.PathLike, out: str | os.PathLike | None, work_dir: str
) -> Path:
    """The path of the copy, checked before anything is computed."""
    file = checkpoint_file(checkpoint)
    if out is None:
        folder = Path(work_dir) if is_packaged(checkpoint) else file.parent
        out = folder / f"{file.stem}_fitted.pth"
    out = Path(out).expanduser()
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give the name of a file")
    if out.suffix == SUFFIX:
        raise InputError(f"--out {out}: {SUFFIX} files hold weights alone: give a name with .pth")
    return out


def _choose_parts(model: nn.Module, scores: Sequence[str] | None) -> list[str]:
    """Names of what is to be fitted."""
    fittable = fittable_parts(model)
    if not scores and not fittable:
        SCORES.import_from_location()
        parts = SCORES.module_dict.items()
        known = sorted(n for n, p in parts if isinstance(p, type) and issubclass(p, FittedScore))
        raise InputError(
            "no score of the config needs fitting: choose some with --scores, from "
            f"{', '.join(known)}"
        )
    chosen = []
    for name in scores or fittable:
        is_own = CLASSIFIER in fittable and name in model.own_scores
        if name not in fittable and not is_own:
            raise InputError(
                f"score {name} needs no fitting: use tools/test.py --scores {name} on any "
                "checkpoint"
            )
        chosen.append(name if name in fittable else CLASSIFIER)
    return list(dict.fromkeys(chosen))


def _fitted_copy(content: dict, model: nn.Module, names: Sequence[str]) -> dict:
    """The content of the checkpoint with the new statistics, and new anchors if there are some."""
    weights = content.get("state_dict", content)
    state = copy.copy(weights)
    if CLASSIFIER in names:
        prefix = next(name for name, part in model.named_modules() if part is model.classifier)
        buffers = {f"{prefix}.{n}": b.cpu() for n, b in model.classifier.named_buffers()}
        for key in weights:
            state[key] = buffers.get(re.sub(r"^module\.", "", key), weights[key])
    earlier, new = content.get(SCORE_STATISTICS, {}), model.score_statistics()
    left_out = earlier.keys() - new.keys()
    if left_out and any(not torch.equal(state[key], weights[key]) for key in weights):
        earlier = {}
        print_log(
            f"The statistics of {', '.join(sorted(left_out))} were fitted with other anchors and "
            "are left out.",
            logger="current",
            level=logging.WARNING,
        )
    result = {**(content if "state_dict" in content else {}), "state_dict": state}
    if earlier or new:
        result[SCORE_STATISTICS] = {**earlier, **new}
    return result
