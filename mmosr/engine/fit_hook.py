"""Fitting statistics while a model is trained, so that they are saved with its weights."""

from collections.abc import Callable
from typing import Any

from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import Runner
from torch import nn

from mmosr.config.lookup import find_hook
from mmosr.registry import HOOKS
from mmosr.scored_model import ScoredModel
from mmosr.utils import InputError

from .checkpoint import SCORE_STATISTICS, load_statistics, unwrap
from .fit import CLASSIFIER, fit_loaders, fit_statistics, fittable_parts, keep_random_state


@HOOKS.register_module()
class FitHook(Hook):
    """Fit all statistics of the model whenever its weights are about to be saved or validated.

    That is before each checkpoint that a ``CheckpointHook`` writes, and before a validation unless
    it follows a checkpoint of the same weights. The pass runs over the training data, see
    :func:`~mmosr.config.pipelines.fit_dataloader`, on all ranks. A training step makes the
    statistics stale: they count as unfitted until the next pass. Checkpoints store them next to the
    weights, and loading a checkpoint with this hook restores them. For a model with nothing to fit,
    it does nothing.

    Args:
        interval: Fit only for checkpoints at a multiple of this many iterations (or epochs, if they
            are written by epoch), and for the last; the others then hold no statistics. Validations
            are not affected: they need the statistics.

    Raises:
        InputError: The data cannot be found, or the run averages weights (``EMAHook``): fit those
            with ``tools/fit_score.py`` afterwards.
    """

    # Before CheckpointHook (VERY_LOW); `after_train` would be too late for the last checkpoint.
    priority = "LOW"

    def __init__(self, interval: int = 1) -> None:
        if interval < 1:
            raise InputError(f"FitHook: interval must be at least 1, got {interval}")
        self.interval = interval
        self._loaders: dict = {}
        self._stale = False

    def before_train(self, runner: Runner) -> None:
        parts = fittable_parts(runner.model)
        if not parts:
            return
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise InputError(
                "FitHook cannot fit the averaged weights of EMAHook: leave one of the two out of "
                "custom_hooks, and run tools/fit_score.py on the checkpoint"
            )
        # Built here so that wrong settings fail now, not at the first checkpoint.
        with keep_random_state():
            self._loaders = fit_loaders(runner, parts.values())

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        if not self._stale:
            _forget(runner.model)
            self._stale = True

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        self._fit_if_saved(runner, False, self.every_n_train_iters, self.is_last_train_iter)

    def after_train_epoch(self, runner: Runner) -> None:
        self._fit_if_saved(runner, True, self.every_n_epochs, self.is_last_train_epoch)

    def before_val(self, runner: Runner) -> None:
        self._fit(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if fittable_parts(runner.model):
            statistics = unwrap(runner.model).score_statistics()
            if statistics:
                checkpoint[SCORE_STATISTICS] = statistics

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        _forget(runner.model)
        try:
            load_statistics(runner.model, checkpoint)
        except InputError as error:
            # Weights for fine-tuning may have other classes. A score reports that it is unfitted.
            runner.logger.warning(str(error))

    def _fit_if_saved(
        self, runner: Runner, by_epoch: bool, every: Callable[..., bool], is_last: Callable
    ) -> None:
        """Fit where a checkpoint is written after this iteration or epoch."""
        if any(
            every(runner, hook.interval, hook.save_begin)
            and every(runner, self.interval)
            or hook.save_last
            and is_last(runner)
            for hook in runner.hooks
            if isinstance(hook, CheckpointHook) and hook.by_epoch == by_epoch
        ):
            self._fit(runner)

    def _fit(self, runner: Runner) -> None:
        """Fit unless the statistics are those of the current weights."""
        if self._stale and self._loaders:
            fit_statistics(runner.model, self._loaders)
            self._stale = False


def check_averaging(cfg: Config, model: ScoredModel) -> None:
    """Make the checks of :class:`FitHook` before a run is built.

    Raises:
        InputError: A hook of the config averages the weights of a model with statistics.
    """
    parts = list(model.fitted_parts())
    averaging = find_hook(cfg, EMAHook)
    if averaging is None or not parts:
        return
    fix = f"leave {averaging} out of the config"
    if CLASSIFIER not in parts:
        fix += f", or name --scores without {', '.join(parts)}"
    raise InputError(
        f"config {cfg.filename}: {averaging} is an EMAHook, and the statistics of "
        f"{', '.join(parts)} cannot be fitted to averaged weights: {fix}"
    )


def add_fit_hook(cfg: Config, **options: Any) -> None:
    """Add a :class:`FitHook` with these options to a config, unless it has one."""
    if find_hook(cfg, FitHook) is None:
        hook = dict(type="mmosr.FitHook", **options)
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def _forget(model: nn.Module) -> None:
    """Mark all statistics as unfitted."""
    for part in fittable_parts(model).values():
        part.fitted.fill_(False)
