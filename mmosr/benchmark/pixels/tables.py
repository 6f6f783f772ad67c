"""Human-readable tables of a benchmark: formats of figures, the terminal, GitHub markdown.

Figures are rounded here and nowhere else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape

from mmosr.benchmark.reports import source_text, versions_text
from mmosr.evaluation.curves import bounds
from mmosr.evaluation.histogram import MAX_BITS, ScoreHistogram
from mmosr.runs.tables import (
    NOTHING,
    code,
    log_console,
    markdown_table,
    plain,
    share,
    terminal_table,
)

from .protocols import Protocol, Published
from .result import DatasetResult

#: Every figure in table order: whether larger (1) or smaller (-1) is better.
FIGURES = {
    "AUROC": 1,
    "AP": 1,
    "AUPR-In": 1,
    "FPR95": -1,
    "TNR95": 1,
    "F1": 1,
    "F1-threshold": 0,
    "sIoU": 1,
    "PPV": 1,
    "F1*": 1,
}
THRESHOLD = "F1-threshold"
PUBLISHED = ("AUROC", "AP", "FPR95")
_ARROWS = {1: " ↑", -1: " ↓", 0: ""}


def in_percent(figures: Mapping[str, float]) -> dict[str, float]:
    """Fractions as percent, not rounded; the threshold stays in units of the score."""
    return {name: x if name == THRESHOLD else 100 * x for name, x in figures.items()}


def _text(name: str, value: float | None) -> str:
    """A figure in percent with two decimals, the threshold with five digits, or a dash."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:.5g}" if name == THRESHOLD else f"{value:.2f}"


def _figure_names(result: DatasetResult) -> list[str]:
    """Figures of a data set, in the order of the tables."""
    found = {name for figures in result.figures.values() for name in figures}
    return [name for name in FIGURES if name in found]


def best_scores(result: DatasetResult, name: str) -> set[str]:
    """Scores that are best in a figure; those that look the same in a table are tied.

    Empty if fewer than two scores have the figure, or if it has no direction.
    """
    found = {s: in_percent(x).get(name, math.nan) for s, x in result.figures.items()}
    values = {score: round(x, 2) for score, x in found.items() if not math.isnan(x)}
    if len(values) < 2 or not FIGURES[name]:
        return set()
    best = max(FIGURES[name] * x for x in values.values())
    return {score for score, x in values.items() if FIGURES[name] * x == best}


def _cells(result: DatasetResult, bold: str) -> dict[str, list[str]]:
    """Cells of :func:`_figure_names` per score; ``bold`` is the format of the best ones."""
    cells: dict[str, list[str]] = {score: [] for score in result.figures}
    for name in _figure_names(result):
        best = best_scores(result, name)
        for score, figures in result.figures.items():
            text = _text(name, in_percent(figures).get(name))
            cells[score].append(bold.format(text) if score in best else text)
    return cells


def _heading(name: str) -> str:
    """Name of a figure with an arrow in the better direction."""
    return name + _ARROWS[FIGURES[name]]


def _amounts(result: DatasetResult) -> str:
    """How many images and pixels a data set has, and of which kind."""
    both = result.known + result.unknown
    unknown, known = (
        f"{number:,} ({share(number, both)})" if both else f"{number:,}"
        for number in (result.unknown, result.known)
    )
    return (
        f"{result.images:,} images, {both + result.ignored:,} pixels: {result.ignored:,} ignored; "
        f"of the others {unknown} unknown, {known} known."
    )


def undefined(result: DatasetResult) -> str | None:
    """Why a data set has no curves, or None."""
    missing = [kind for kind in ("unknown", "known") if getattr(result, kind) == 0]
    return f"no {' and no '.join(missing)} pixels" if missing else None


def print_tables(results: Sequence[DatasetResult], console: Console | None = None) -> None:
    """Print a table per data set, with the published results below ours."""
    console = console or log_console()
    for result in results:
        names, protocol = _figure_names(result), result.protocol
        what = f"protocol {protocol.identifier}, version {protocol.version}"
        table = terminal_table(
            ["score"],
            [_heading(name).replace(" ", "\n") for name in names],
            title=f"{result.name}: {protocol.title}",
            caption=f"{what}; {_amounts(result)}",
            padding=0,
        )
        for score, cells in _cells(result, "[bold]{}[/]").items():
            table.add_row(escape(score), *cells)
        if protocol.published:
            table.add_section()
            table.add_row("published:", style="dim")
        for row in protocol.published:
            cells = [_text(n, getattr(row, n)) if n in PUBLISHED else "" for n in names]
            table.add_row(escape(row.method), *cells, style="dim")
        console.print(table)
        console.print()


# --- markdown -----------------------------------------------------------------------------------


def markdown(
    results: Sequence[DatasetResult], run: Mapping, pictures: Mapping[str, Mapping[str, Path]]
) -> Iterator[str]:
    """Lines of the report as GitHub markdown.

    Args:
        results: One per data set.
        run: What determines the results.
        pictures: Per data set, the pictures by title, in a folder of its name next to the report.
    """
    yield f"# Benchmark of {code(run['config'])}"
    yield ""
    rows = [
        (kind, f"{code(run[kind])}, SHA-256 {code(run[f'{kind}_sha256'][:12])}")
        for kind in ("config", "checkpoint")
    ]
    rows.append(("versions", versions_text(run["versions"])))
    yield from markdown_table(("run", ""), rows, words={0, 1})
    yield ""
    bold = " Bold: the best of the scores tested here."
    several = any(len(result.figures) > 1 for result in results)
    yield (
        "Figures in percent, pooled over all pixels.[^rules] Arrows point to better."
        + (bold if several else "")
    )
    rules: dict[str, str] = {}
    for result in results:
        yield ""
        yield from _dataset_section(result, pictures[result.name])
        rules |= result.protocol.rules
    yield ""
    if rules:
        text = ". ".join(f"{plain(name)}: {plain(rule)}" for name, rule in rules.items())
        yield f"[^rules]: {text}."


def _dataset_section(result: DatasetResult, pictures: Mapping[str, Path]) -> Iterator[str]:
    protocol = result.protocol
    yield f"## {plain(result.name)}: {plain(protocol.title)}"
    yield ""
    yield f"Protocol {code(protocol.identifier)}, version {protocol.version}. {_amounts(result)}"
    yield _labels(protocol)
    if sizes := protocol.components:
        yield (
            f"Smallest components that count: {sizes.predicted} pixels (predicted), {sizes.true} "
            "(true)."
        )
    if result.closed_set is not None:
        closed = (f"{name} {_text(name, x)}" for name, x in result.closed_set.items())
        yield f"Closed set, on known pixels: {', '.join(closed)}."
    yield ""
    header = ["score", *(plain(_heading(name)) for name in _figure_names(result))]
    rows = ([code(score), *cells] for score, cells in _cells(result, "**{}**").items())
    yield from markdown_table(header, rows, words={0})
    yield ""
    yield _resolution(result.histograms.values())
    if protocol.published:
        yield from _published_table(protocol.published)
    if reason := undefined(result):
        yield ""
        yield f"There are {reason}: such figures are {NOTHING}, and no curves are drawn."
    for title, path in pictures.items():
        yield ""
        yield f"![{plain(title)}]({quote(f'{result.name}/{path.name}')})"


def _labels(protocol: Protocol) -> str:
    known, unknown, ignored = map(plain, (protocol.known, protocol.unknown, protocol.ignored))
    if known == unknown == ignored:
        return f"Known, unknown, ignored: {known}."
    return f"Known: {known}. Unknown: {unknown}. Ignored: {ignored}."


def _published_table(published: Sequence[Published]) -> Iterator[str]:
    yield ""
    yield (
        "**Published** by others, not run here (unknown data: used in training; resynthesis: an "
        "extra network):"
    )
    yield ""
    words = ["network", "unknown data", "resynthesis", "source"]
    header = ["published method", *map(_heading, PUBLISHED), *words]
    rows = [
        [
            plain(row.method),
            *(_text(name, getattr(row, name)) for name in PUBLISHED),
            plain(row.backbone or NOTHING),
            "yes" if row.unknown_data else "no",
            "yes" if row.resynthesis else "no",
            plain(source_text(row.source, row.note)),
        ]
        for row in published
    ]
    yield from markdown_table(header, rows, words={0, 4, 5, 6, 7})


def _resolution(histograms: Iterable[ScoreHistogram]) -> str:
    """How exact the figures of all scores of a data set are."""
    cut = [histogram for histogram in histograms if histogram.bits < MAX_BITS]
    if not cut:
        return "Every float32 score is counted exactly."
    widths: dict[str, float] = {}
    for name, (low, high) in itertools.chain(*(bounds(histogram).items() for histogram in cut)):
        if not math.isnan(low):
            widths[name] = max(widths.get(name, 0.0), 100 * (high - low))
    bits = min(histogram.bits for histogram in cut)
    text = f"Scores are counted by their {bits} leading float32 bits or more"
    if not widths:
        return text + "."
    ranges = ", ".join(f"{name} {width:.2g}" for name, width in widths.items())
    return f"{text}; that can have moved a figure by at most (percentage points): {ranges}."
