"""Compare the component metrics with a loop over the whole image for every component.

Both find the components of the same made-up score and label, in the same run, and must agree.

    python tools/analysis_tools/benchmark_components.py --objects 300
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mmosr.evaluation.components import ComponentCounts, ComponentSizes, component_counts
from mmosr.utils import IGNORE_LABEL, UNKNOWN_LABEL, InputError, cli

THRESHOLD = 0.8


def make_image(height: int, width: int, objects: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Score and label of a scene with round objects, false blobs and an ignored band."""
    rng = np.random.default_rng(seed)
    label = np.zeros((height, width), np.uint8)
    for x, y, radius in rng.integers((0, 0, 3), (width, height, 25), (objects, 3)).tolist():
        cv2.circle(label, (x, y), radius, UNKNOWN_LABEL, -1)
    label[: height // 5] = IGNORE_LABEL
    noise = rng.normal(size=(height, width)).astype(np.float32)
    score = 10 * cv2.GaussianBlur(noise, (0, 0), 6) + 2 * (label == UNKNOWN_LABEL)
    return score.astype(np.float32), label


def count_by_loops(score: np.ndarray, label: np.ndarray, sizes: ComponentSizes) -> ComponentCounts:
    """The definition, with masks of the whole image."""
    predicted = ((score >= THRESHOLD) & (label != IGNORE_LABEL)).astype(np.uint8)
    num_predicted, predicted = cv2.connectedComponents(predicted, connectivity=8)
    num_true, true = cv2.connectedComponents((label == UNKNOWN_LABEL).astype(np.uint8))
    for index in range(1, num_predicted):
        mask = predicted == index
        if mask.sum() < sizes.predicted:
            predicted[mask] = 0
    for index in range(1, num_true):
        mask = true == index
        if mask.sum() < sizes.true:
            true[mask] = predicted[mask] = 0
    siou, ppv = [], []
    for index in np.unique(true[true > 0]):
        mask = true == index
        touching = np.unique(predicted[mask])
        union = (mask | np.isin(predicted, touching[touching > 0])) & (mask | (true == 0))
        siou.append((mask & (predicted > 0)).sum() / union.sum())
    for index in np.unique(predicted[predicted > 0]):
        mask = predicted == index
        ppv.append((mask & (true > 0)).sum() / mask.sum())
    return ComponentCounts(np.array(siou), np.array(ppv))


def measure(call: Callable[[], ComponentCounts], repeats: int) -> tuple[ComponentCounts, float]:
    """The result, and the shortest CPU time of a call in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        counts = call()
        seconds.append(time.process_time() - start)
    return counts, min(seconds)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs=2, default=(50, 10), metavar=("PRED", "TRUE"))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if min(args.height, args.width, args.objects, args.repeats) < 1:
        raise InputError("--height, --width, --objects and --repeats must be at least 1")
    score, label = make_image(args.height, args.width, args.objects, args.seed)
    sizes = ComponentSizes(*args.sizes)
    ours, seconds = measure(lambda: component_counts(score, label, THRESHOLD, sizes), args.repeats)
    loops, loop_seconds = measure(lambda: count_by_loops(score, label, sizes), 1)
    for name in ("siou", "ppv"):
        if not np.array_equal(np.sort(getattr(ours, name)), np.sort(getattr(loops, name))):
            raise InputError(f"{name} of the two implementations differs: one of them is wrong")
    console = Console(width=max(100, Console().width))
    console.print(
        f"{args.width}x{args.height}, {ours.siou.size} true and {ours.ppv.size} predicted "
        "components, equal values"
    )
    table = Table()
    for column in ("", "CPU time in ms", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("mmosr", f"{1e3 * seconds:.1f}", "1x")
    table.add_row("loops", f"{1e3 * loop_seconds:.1f}", f"{loop_seconds / seconds:.0f}x")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(cli.run_tool(main))
