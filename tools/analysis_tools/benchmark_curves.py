"""Compare the streaming curves with scikit-learn: values, time and peak memory.

Both see the same scores, generated image by image (generation is not timed). scikit-learn gets
them in one array; mmosr counts one image at a time. Every measurement has its own process; its
memory is the peak above what the process used before the first score. Times are CPU seconds,
which other load on the machine hardly affects. Needs Linux and scikit-learn.

    python tools/analysis_tools/benchmark_curves.py --pixels 20000000
"""

import argparse
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from mmosr.evaluation import MAX_CELLS, ScoreHistogram, auroc, average_precision, fpr_at_tpr
from mmosr.utils import cli

IMAGE = 1024 * 2048  # pixels of an image of Cityscapes
FIGURES = ("AUROC", "AP", "FPR95")


def affine(x: np.ndarray, unknown: np.ndarray, scale: float, shift: float, gap: float) -> None:
    x *= np.float32(scale)
    x += np.float32(shift)
    np.add(x, np.float32(gap), out=x, where=unknown)


def lognormal(x: np.ndarray, unknown: np.ndarray) -> None:
    affine(x, unknown, 2, 0, 3)
    np.exp(x, out=x)


def rounded(x: np.ndarray, unknown: np.ndarray, digits: int) -> None:
    affine(x, unknown, 1, 0, 1.5)
    np.round(x, digits, out=x)


# Turn N(0, 1) into the scores, in place.
DISTRIBUTIONS: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {
    "N(0,1)/N(1.5,1)": lambda x, unknown: affine(x, unknown, 1, 0, 1.5),
    "log-normal": lognormal,
    "integers": lambda x, unknown: rounded(x, unknown, 0),
    "one-decimal": lambda x, unknown: rounded(x, unknown, 1),
    "N(30,2)/N(33,2)": lambda x, unknown: affine(x, unknown, 2, 30, 3),
    "N(1000,2)/N(1003,2)": lambda x, unknown: affine(x, unknown, 2, 1000, 3),
}


@dataclass(frozen=True)
class Task:
    """One measurement.

    Attributes:
        tool: 'scikit-learn' or 'mmosr'.
        distribution: A name of ``DISTRIBUTIONS``.
        pixels: Number of scores.
        share: Fraction of unknown pixels.
        seed: Seed of the scores.
    """

    tool: str
    distribution: str
    pixels: int
    share: float
    seed: int


@dataclass(frozen=True)
class Result:
    """What came out of a :class:`Task`.

    Attributes:
        figures: AUROC, AP and FPR95, in [0, 1].
        seconds: CPU time of counting and of the three figures.
        megabytes: Peak memory above the base, in 2^20 bytes.
        bits: Leading bits of the scores that were kept.
    """

    figures: tuple[float, float, float]
    seconds: float
    megabytes: float
    bits: int


def images(task: Task) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores and truth of one image after the other, in reused buffers."""
    scores, unknown = np.empty(IMAGE, np.float32), np.empty(IMAGE, bool)
    for index, start in enumerate(range(0, task.pixels, IMAGE)):
        rng = np.random.default_rng([task.seed, index])
        x, truth = scores[: task.pixels - start], unknown[: task.pixels - start]
        rng.random(dtype=np.float32, out=x)
        np.less(x, np.float32(task.share), out=truth)
        rng.standard_normal(dtype=np.float32, out=x)
        DISTRIBUTIONS[task.distribution](x, truth)
        yield x, truth


def run_sklearn(task: Task) -> tuple[tuple[float, float, float], float, int]:
    """Figures, seconds and bits of scikit-learn."""
    from sklearn import metrics

    scores, unknown = np.empty(task.pixels, np.float32), np.empty(task.pixels, bool)
    start = 0
    for x, truth in images(task):
        scores[start : start + x.size], unknown[start : start + x.size] = x, truth
        start += x.size
    before = time.process_time()
    area = metrics.roc_auc_score(unknown, scores)
    precision = metrics.average_precision_score(unknown, scores)
    # drop_intermediate would drop thresholds among which the first of FPR95 may be.
    fpr, tpr, _ = metrics.roc_curve(unknown, scores, drop_intermediate=False)
    values = (float(area), float(precision), float(fpr[np.argmax(tpr >= 0.95)]))
    return values, time.process_time() - before, 32


def run_mmosr(task: Task) -> tuple[tuple[float, float, float], float, int]:
    """Figures, seconds and bits of mmosr."""
    total = ScoreHistogram.from_scores([], [])
    seconds = 0.0
    for scores, unknown in images(task):
        before = time.process_time()
        total = total.merge(ScoreHistogram.from_scores(scores, unknown))
        seconds += time.process_time() - before
    before = time.process_time()
    values = (auroc(total), average_precision(total), fpr_at_tpr(total))
    return values, seconds + time.process_time() - before, total.bits


TOOLS = {"scikit-learn": run_sklearn, "mmosr": run_mmosr}


def memory(field: str) -> float:
    """A field of this process's status in 2^20 bytes. VmHWM, unlike ru_maxrss, is not inherited."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024


def run(task: Task) -> Result:
    """Measure in this process."""
    warm_up = Task(task.tool, task.distribution, 1000, 0.5, task.seed)
    TOOLS[task.tool](warm_up)  # triggers late imports
    base = memory("VmRSS")
    figures, seconds, bits = TOOLS[task.tool](task)
    return Result(figures, seconds, memory("VmHWM") - base, bits)


def measure(task: Task) -> Result:
    """Measure in a separate process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run, [task])


def add_rows(table: Table, name: str, args: argparse.Namespace) -> None:
    """Measure one distribution."""
    theirs, ours = (
        measure(Task(tool, name, args.pixels, args.unknown_share, args.seed)) for tool in TOOLS
    )
    streamed = measure(Task("mmosr", name, args.streamed_pixels, args.unknown_share, args.seed))
    for tool, result in zip(TOOLS, (theirs, ours), strict=True):
        table.add_row(
            name if result is theirs else "",
            tool,
            *(f"{value:.7f}" for value in result.figures),
            f"{result.seconds:.2f}",
            f"{theirs.seconds / result.seconds:.0f}x",
            f"{result.megabytes:.0f}",
            f"{streamed.megabytes:.0f}" if result is ours else "-",
            str(result.bits),
        )
    differences = np.abs(np.subtract(theirs.figures, ours.figures))
    table.add_row("", "|difference|", *(f"{value:.1e}" for value in differences))
    table.add_section()


def make_table(args: argparse.Namespace) -> Table:
    """All results as a table."""
    title = (
        f"{args.pixels:,} pixels ({args.unknown_share:.1%} unknown) in images of {IMAGE:,}, "
        f"at most {MAX_CELLS:,} cells, seed {args.seed}"
    )
    table = Table(title=title)
    memory_columns = [f"MB at {pixels:.2g}" for pixels in (args.pixels, args.streamed_pixels)]
    columns = (*FIGURES, "CPU seconds", "ratio", *memory_columns, "bits")
    for column in ("scores", "", *columns):
        table.add_column(column, justify="right" if column in columns else "left")
    for name in args.distributions:
        add_rows(table, name, args)
    return table


def parse_args() -> argparse.Namespace:
    def positive(text: str) -> int:
        if int(text) < 1:
            raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
        return int(text)

    def share(text: str) -> float:
        if not 0 < float(text) < 1:
            raise argparse.ArgumentTypeError(f"must lie between 0 and 1, got {text}")
        return float(text)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=positive, default=20_000_000)
    parser.add_argument(
        "--streamed-pixels",
        type=positive,
        default=200_000_000,
        help="pixels of another run of mmosr, for its memory",
    )
    parser.add_argument("--unknown-share", type=share, default=0.05, help="of the pixels")
    parser.add_argument(
        "--distributions",
        nargs="+",
        metavar="NAME",
        choices=DISTRIBUTIONS,
        default=list(DISTRIBUTIONS),
        help=f"known/unknown scores: {', '.join(DISTRIBUTIONS)}",
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Wide enough for the table, wherever the output goes.
    console = Console(width=max(140, Console().width))
    console.print(make_table(args))


if __name__ == "__main__":
    raise SystemExit(cli.run_tool(main))
