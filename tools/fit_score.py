"""Fit anomaly scores that need statistics of the training data.

python tools/fit_score.py CONFIG CHECKPOINT --score sml mahalanobis

Shows every training image once to the model and writes a copy of the checkpoint that carries the
statistics beside the weights, which stay as they are. It works on the checkpoint of any mmseg or
mmpretrain config. With CAC the anchors are re-estimated, which are part of the weights. A score
that cannot be fitted does not stop the others: they are written, and the exit status is not 0. On
several GPUs:

bash tools/dist_fit_score.sh CONFIG CHECKPOINT 8 --score sml mahalanobis
"""

import argparse
import copy
import os
import re
import shlex
import sys
from pathlib import Path

import mmosr  # noqa: F401  before torch: it says how threads wait

# isort: split
import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from mmosr.config.fit_loader import fit_dataloader
from mmosr.config.loading import check_data, fit_to_machine, load_config, set_work_dir
from mmosr.engine import fit_statistics
from mmosr.engine.checkpoint import SCORE_STATISTICS, load_weights, read_checkpoint, unwrap
from mmosr.engine.fit import CLASSIFIER, fittable_parts
from mmosr.engine.packaged_weights import SUFFIX, checkpoint_file, is_packaged
from mmosr.registry import SCORES
from mmosr.runs.files import atomic_write
from mmosr.scored_model import set_scores
from mmosr.scores import FittedScore
from mmosr.utils import InputError
from mmosr.utils.cli import add_checkpoint_argument, add_common_arguments, run_tool

# What the runner takes from the config; it gets no loop.
_RUNNER_KEYS = (
    "data_preprocessor",
    "launcher",
    "env_cfg",
    "log_processor",
    "log_level",
    "default_scope",
    "randomness",
    "experiment_name",
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    add_checkpoint_argument(parser)
    parser.add_argument(
        "--score",
        nargs="+",
        metavar="NAME",
        help="scores to fit; default: those of the config that need it, and the anchors of CAC",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="default: CHECKPOINT's name with _fitted; for mmosr://NAME in the work folder",
    )
    add_common_arguments(parser)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def output_file(args: argparse.Namespace, work_dir: str) -> Path:
    """Where the copy goes, checked before anything is computed."""
    checkpoint = checkpoint_file(args.checkpoint)
    folder = Path(work_dir) if is_packaged(args.checkpoint) else checkpoint.parent
    out = Path(args.out).expanduser() if args.out else folder / f"{checkpoint.stem}_fitted.pth"
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give the name of a file")
    if out.suffix == SUFFIX:
        raise InputError(f"--out {out}: {SUFFIX} files hold weights alone: give a name with .pth")
    return out


def build_runner(cfg: Config) -> Runner:
    """A runner with the model alone: it sets up processes, log and device."""
    options = {key: cfg[key] for key in _RUNNER_KEYS if cfg.get(key) is not None}
    return Runner(model=cfg.model, work_dir=cfg.work_dir, cfg=cfg, **options)


def choose_parts(model: nn.Module, scores: list[str] | None) -> list[str]:
    """Names of what is to be fitted.

    Raises:
        InputError: A score that needs no fitting, or nothing to fit.
    """
    fittable = fittable_parts(model)
    if not scores:
        if not fittable:
            SCORES.import_from_location()
            known = [name for name, part in SCORES.module_dict.items() if _is_fitted(part)]
            raise InputError(
                "no score of the config needs fitting: choose some with --score, from "
                f"{', '.join(sorted(known))}"
            )
        return list(fittable)
    chosen = []
    for name in scores:
        if name in fittable:
            chosen.append(name)
        elif CLASSIFIER in fittable and name in model.own_scores:
            chosen.append(CLASSIFIER)
        else:
            raise InputError(
                f"score {name} needs no fitting: use tools/test.py --score {name} on any checkpoint"
            )
    return list(dict.fromkeys(chosen))


def _is_fitted(part: object) -> bool:
    return isinstance(part, type) and issubclass(part, FittedScore)


def load(model: nn.Module, content: dict, names: list[str], path: str) -> list[str]:
    """Load the weights; the classifier comes along in ``names`` if it is still to be fitted."""
    load_weights(model, content, path)
    if CLASSIFIER in fittable_parts(model) and not model.classifier.fitted:
        # The class scores that other scores are fitted on need it.
        names = list(dict.fromkeys([CLASSIFIER, *names]))
    return names


def build_loaders(runner: Runner, cfg: Config, names: list[str]) -> dict:
    """A data loader for each split that some statistics are fitted on."""
    parts = fittable_parts(runner.model)
    loaders = {}
    for split in {parts[name].fit_split for name in names}:
        config = fit_dataloader(cfg, split)
        check_data({f"{split}_dataloader": config}, [f"{split}_dataloader"])
        loaders[split] = runner.build_dataloader(config, seed=runner.seed)
    return loaders


def fitted_copy(content: dict, model: nn.Module, names: list[str]) -> dict:
    """The content of the checkpoint with the new statistics, and new anchors if there are some."""
    weights = content.get("state_dict", content)
    state = copy.copy(weights)
    if CLASSIFIER in names:
        prefix = next(name for name, part in model.named_modules() if part is model.classifier)
        buffers = {f"{prefix}.{n}": b.cpu() for n, b in model.classifier.named_buffers()}
        for key in weights:
            state[key] = buffers.get(re.sub(r"^module\.", "", key), weights[key])
    earlier = content.get(SCORE_STATISTICS, {})
    new = model.score_statistics()
    left_out = earlier.keys() - new.keys()
    if left_out and any(not torch.equal(state[key], weights[key]) for key in weights):
        earlier = {}
        print(
            f"warning: the statistics of {', '.join(sorted(left_out))} were fitted with other "
            "anchors and are left out",
            file=sys.stderr,
        )
    rest = content if "state_dict" in content else {}
    result = {**rest, "state_dict": state}
    if earlier or new:
        result[SCORE_STATISTICS] = {**earlier, **new}
    return result


def fit(model: nn.Module, loaders: dict, names: list[str]) -> tuple[list[str], Exception | None]:
    """Fit what can be fitted: the names of that, and the error of the rest."""
    error = None
    try:
        fit_statistics(model, loaders, names)
    except Exception as failure:  # raised again, when what was fitted is written
        error = failure
    parts = fittable_parts(model)
    return [name for name in names if parts[name].fitted], error


def write(
    content: dict, args: argparse.Namespace, out: Path, names: list[str], scores: list[str]
) -> None:
    """Write the copy, and say how to test it with ``scores``; without any: those of the config."""
    with atomic_write(out) as path:
        torch.save(content, path)
    command = ["python", "tools/test.py", args.config, str(out)]
    if scores:
        command += ["--score", *scores]
    more = " with the same --cfg-options" if args.cfg_options else ""
    print(f"fitted {', '.join(names)}: {out} written; to test it: {shlex.join(command)}{more}")


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.config, args.work_dir)
    if args.score:
        init_default_scope(cfg.get("default_scope") or "mmseg")
        set_scores(cfg.model, args.score)
    out = output_file(args, cfg.work_dir)
    content = read_checkpoint(args.checkpoint, args.trust_checkpoint)
    fit_to_machine(cfg)

    runner = build_runner(cfg)
    model = unwrap(runner.model)
    names = load(model, content, choose_parts(model, args.score), args.checkpoint)
    fitted, error = fit(model, build_loaders(runner, cfg, names), names)
    if fitted and is_main_process():
        scores = args.score or []
        if error is not None:
            unfitted = set(names) - set(fitted)
            scores = [name for name in scores or model.score_names if name not in unfitted]
        write(fitted_copy(content, model, fitted), args, out, fitted, scores)
    if error is not None:
        if fitted:
            barrier()  # the launcher ends all processes as soon as one of them fails
        raise error


if __name__ == "__main__":
    sys.exit(run_tool(main))
