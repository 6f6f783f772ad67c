"""Cutting images into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from mmosr.utils import InputError

T = TypeVar("T")


def cut(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Batches of this size; the last one may be smaller.

    The last digits of a result may depend on its neighbours in the batch: a run that can be resumed
    cuts the list of all items, not of those that are left to do.

    Raises:
        InputError: The size is below 1.
    """
    if size < 1:
        raise InputError(f"the batch size must be at least 1, got {size}")
    return [items[start : start + size] for start in range(0, len(items), size)]


def run_by_size(
    run: Callable[[Mapping[str, Sequence]], Iterable[T]],
    batch: Mapping[str, Sequence],
    regroup: bool = False,
) -> list[T]:
    """Run a network on a batch; images of different sizes go through it one by one.

    Args:
        run: Returns one result per image.
        batch: Values of all images by key, one of which is ``inputs``: images ``(C, H, W)``.
        regroup: Run images of equal size together instead: faster, but the last digits of the
            results may then depend on the batch.

    Returns:
        The results, in the order of the images.
    """
    sizes = [tuple(image.shape) for image in batch["inputs"]]
    if len(set(sizes)) == 1:
        return list(run(batch))
    groups: dict[object, list[int]] = {}
    for place, size in enumerate(sizes):
        groups.setdefault(size if regroup else place, []).append(place)
    results: dict[int, T] = {}
    for places in groups.values():
        part = {key: [values[place] for place in places] for key, values in batch.items()}
        results.update(zip(places, run(part), strict=True))
    return [results[place] for place in sorted(results)]
