"""The pass over training data that fits statistics."""

import itertools
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial

import numpy as np
import torch
from mmengine.dist import all_gather_object, broadcast, get_world_size
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmosr.config.checks import check_data
from mmosr.config.pipelines import fit_dataloader
from mmosr.runs.batches import run_by_size
from mmosr.runs.ranks import together
from mmosr.scores import Fitted
from mmosr.utils import InputError

from .checkpoint import unwrap

# Name of the classifier in `ScoredModel.fitted_parts`; its statistics change the class scores.
CLASSIFIER = "classifier"
_PARTS_OF_A_PASS = 10


def fittable_parts(model: nn.Module) -> dict[str, Fitted]:
    """What can be fitted in a model, wrapped or not; empty for a model without anomaly scores."""
    model = unwrap(model)
    return model.fitted_parts() if hasattr(model, "fitted_parts") else {}


def fit_loaders(runner: Runner, parts: Iterable[Fitted]) -> dict[str, DataLoader]:
    """A data loader for each split that any part is fitted on."""
    loaders = {}
    for split in {part.fit_split for part in parts}:
        config, key = fit_dataloader(runner.cfg, split), f"{split}_dataloader"
        check_data({key: config}, [key])
        loaders[split] = runner.build_dataloader(config, seed=runner.seed)
    return loaders


def fit_statistics(
    model: nn.Module, loaders: Mapping[str, DataLoader], names: Iterable[str] | None = None
) -> list[str]:
    """Fit statistics of a model in one streamed pass over each split that they need.

    The classifier comes first, in its own pass, since its statistics change the class scores that
    the others are fitted on. A score that cannot be fitted does not stop the others: they are
    fitted before the error is raised. The modes of all modules, the buffers of the host and the
    random state are restored afterwards. All ranks must call this together; they use the buffers of
    the first, which saves the checkpoint, and fail together.

    Args:
        model: May be wrapped for distribution or test-time augmentation.
        loaders: Data loader per required split, from :func:`fit_loaders`.
        names: Keys of ``ScoredModel.fitted_parts``; default: all.

    Returns:
        Warnings for the user, which are logged too.

    Raises:
        InputError: An image has no labels, there are no labelled pixels, or values are not finite.
            With several scores it names those that were not fitted; ``fitted`` of the others is
            true.
    """
    model = unwrap(model)
    parts = fittable_parts(model)
    if names is not None:
        parts = {name: parts[name] for name in names}
    classifier = {name: part for name, part in parts.items() if name == CLASSIFIER}
    scores = {name: part for name, part in parts.items() if name != CLASSIFIER}
    failed: dict[str, InputError] = {}
    with ExitStack() as stack:
        stack.enter_context(keep_random_state())
        stack.enter_context(_evaluation(model))
        stack.enter_context(_buffers_of_first_rank(model, parts))
        for part in classifier.values():
            # In training mode its class scores need no statistics. Not `train()`: its submodules,
            # such as normalisation, stay in evaluation mode.
            part.training = True
        warnings = _fit_splits(model, loaders, classifier, failed)
        for part in classifier.values():
            part.training = False
        if not failed:
            warnings += _fit_splits(model, loaders, scores, failed)
    if failed:
        raise _failure(failed, parts)
    return warnings


def _failure(failed: Mapping[str, InputError], parts: Mapping[str, Fitted]) -> InputError:
    """One error for all; a single one is unchanged."""
    names: dict[str, list[str]] = {}
    for name, error in failed.items():
        names.setdefault(str(error), []).append(name)
    if len(names) == 1 and (CLASSIFIER in failed or len(failed) == len(parts)):
        return next(iter(failed.values()))
    reasons = "; ".join(f"{', '.join(group)} ({reason})" for reason, group in names.items())
    return InputError(f"not fitted: {reasons}")


def _fit_splits(
    model: nn.Module,
    loaders: Mapping[str, DataLoader],
    parts: Mapping[str, Fitted],
    failed: dict[str, InputError],
) -> list[str]:
    """Fit what can be fitted; add the errors of the others to ``failed``."""
    warnings = []
    for split in sorted({part.fit_split for part in parts.values()}):
        chosen = {name: part for name, part in parts.items() if part.fit_split == split}
        try:
            warnings += _fit_pass(model, loaders[split], chosen, failed)
        except InputError as error:  # an error in the data: another split may be fine
            failed.update(dict.fromkeys(chosen, error))
    return warnings


def _fit_pass(
    model: nn.Module,
    loader: DataLoader,
    parts: Mapping[str, Fitted],
    failed: dict[str, InputError],
) -> list[str]:
    names = ", ".join(parts)
    start = time.monotonic()
    for part in parts.values():
        part.begin_fit()
    with _failing_alone(parts) as errors:
        images = _stream(model, loader, parts, names)
    warnings = []
    for name, part in parts.items():
        try:
            together(partial(_raise, errors.get(name)))
            warning = part.end_fit()
        except InputError as error:
            part.begin_fit()  # frees what it has accumulated
            failed[name] = error
            print_log(f"{name} is not fitted: {error}", logger="current", level=logging.WARNING)
            continue
        print_log(
            f"Fitted {name} on {images} images in {time.monotonic() - start:.0f} s.",
            logger="current",
        )
        if warning:
            warnings.append(f"{name}: {warning}")
            print_log(warnings[-1], logger="current", level=logging.WARNING)
    return warnings


@contextmanager
def _failing_alone(parts: Mapping[str, Fitted]) -> Iterator[dict[str, InputError]]:
    """Skip further batches for a part that rejected one; return the errors by name."""
    errors: dict[str, InputError] = {}

    def guard(name: str, update: Callable[..., None]) -> Callable[..., None]:
        def show(*batch) -> None:
            if name in errors:
                return
            try:
                update(*batch)
            except InputError as error:
                errors[name] = error
                if len(errors) == len(parts):
                    raise

        return show

    for name, part in parts.items():
        part.update = guard(name, part.update)
    try:
        yield errors
    finally:
        for part in parts.values():
            del part.update


def _stream(model: nn.Module, loader: DataLoader, parts: Mapping[str, Fitted], names: str) -> int:
    """Show all batches to the parts; return the number of images on all ranks."""
    total, start, done, before = len(loader.dataset), time.monotonic(), 0, 0
    batches = iter(loader)
    # The same number of parts on each rank, however few its batches: they synchronise after each.
    cuts = [len(loader) * index // _PARTS_OF_A_PASS for index in range(_PARTS_OF_A_PASS + 1)]
    for first, last in itertools.pairwise(cuts):
        part = itertools.islice(batches, last - first)
        done += together(lambda part=part: sum(_show(model, batch, parts) for batch in part))
        everywhere = sum(all_gather_object(done))
        if everywhere > before:
            seconds = (time.monotonic() - start) / everywhere * max(total - everywhere, 0)
            print_log(
                f"Fitting {names}: {everywhere} of {total} images, eta: "
                f"{timedelta(seconds=round(seconds))}",
                logger="current",
            )
        before = everywhere
    return before


def _show(model: nn.Module, data: dict, parts: Mapping[str, Fitted]) -> int:
    """Show the images of a batch; return their number."""

    def show(batch: Mapping) -> Sequence:
        model.fit_step(batch, parts)
        return batch["inputs"]

    return len(run_by_size(show, data))


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Restore the random state of torch, NumPy and Python, whatever is drawn inside."""
    # Fitting only happens on the current device.
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards the mode of each module is restored, also of frozen ones."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _buffers_of_first_rank(model: nn.Module, parts: Mapping[str, Fitted]) -> Iterator[None]:
    """Give all ranks the running means of the first rank, which saves the checkpoint.

    Without SyncBN they differ, and part of the statistics would be those of another network. Each
    rank gets its own back; only what is being fitted is left alone.
    """
    if get_world_size() == 1:
        yield
        return
    fitted = {id(buffer) for part in parts.values() for buffer in part.buffers()}
    buffers = [b for b in model.buffers() if b.is_floating_point() and id(b) not in fitted]
    own = [buffer.clone() for buffer in buffers]
    for buffer in buffers:
        broadcast(buffer)
    try:
        yield
    finally:
        for buffer, value in zip(buffers, own, strict=True):
            buffer.copy_(value)
