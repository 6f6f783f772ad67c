"""Tables of a benchmark, for people: how figures are written, and GitHub markdown.

Figures are rounded here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from mmosr.evaluation.curves import bounds
from mmosr.evaluation.histogram import MAX_BITS
from mmosr.runs.tables import NOTHING, code, markdown_table, plain

from .protocols import Protocol, Published
from .result import DatasetResult

#: Every figure in the order of the tables: whether larger (1) or smaller (-1) is better.
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


def format_figure(name: str, value: float | None) -> str:
    """A figure in percent with two decimals, the threshold with five digits, or a dash."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:.5g}" if name == THRESHOLD else f"{value:.2f}"


def figure_names(result: DatasetResult) -> list[str]:
    """Figures of a data set, in the order of the tables."""
    found = {name for figures in result.figures.values() for name in figures}
    return [name for name in FIGURES if name in found]


def best_scores(result: DatasetResult, name: str) -> set[str]:
    """Scores that are best in a figure; those that look alike in a table are equal.

    Empty when fewer than two scores have the figure, or when it has no direction.
    """
    values = {score: in_percent(figures).get(name) for score, figures in result.figures.items()}
    values = {s: round(x, 2) for s, x in values.items() if x is not None and not math.isnan(x)}
    if len(values) < 2 or not FIGURES[name]:
        return set()
    best = max(FIGURES[name] * x for x in values.values())
    return {score for score, x in values.items() if FIGURES[name] * x == best}


def table_cells(result: DatasetResult) -> dict[str, list[tuple[str, bool]]]:
    """By score, text and whether it is the best, for each of :func:`figure_names`."""
    names = figure_names(result)
    best = {name: best_scores(result, name) for name in names}
    return {
        score: [
            (format_figure(name, in_percent(figures).get(name)), score in best[name])
            for name in names
        ]
        for score, figures in result.figures.items()
    }


def heading(name: str) -> str:
    """Name of a figure with an arrow to where it is better."""
    return name + _ARROWS[FIGURES[name]]


def amounts(result: DatasetResult) -> str:
    """How many images and pixels a data set has, and of which kind."""

    def counted(number: int, of: int) -> str:
        return f"{number:,} ({100 * number / of:.3g} %)" if of else f"{number:,}"

    pixels, both = result.known + result.unknown + result.ignored, result.known + result.unknown
    return (
        f"{result.images:,} images, {pixels:,} pixels: {result.ignored:,} ignored; of the others "
        f"{counted(result.unknown, both)} unknown, {counted(result.known, both)} known."
    )


def undefined(result: DatasetResult) -> str | None:
    """Why a data set has no curves, or None."""
    missing = [kind for kind in ("unknown", "known") if getattr(result, kind) == 0]
    return f"no {' and no '.join(missing)} pixels" if missing else None


# --- markdown -----------------------------------------------------------------------------------


def markdown(
    results: Sequence[DatasetResult], run: Mapping, pictures: Mapping[str, Mapping[str, str]]
) -> str:
    """The report as GitHub markdown.

    Args:
        results: One for each data set.
        run: What decides the results: ``config``, ``checkpoint``, their ``_sha256``, ``versions``.
        pictures: By data set, paths of the pictures from the report by title.
    """
    lines = [f"# Benchmark of {code(run['config'])}", "", *_run_table(run)]
    lines += ["", "Figures in percent, pooled over all pixels.[^rules] Arrows point to better."]
    if any(len(result.figures) > 1 for result in results):
        lines[-1] += " Bold: the best of the scores tested here."
    for result in results:
        lines += ["", *_dataset_section(result, pictures.get(result.name, {}))]
    return "\n".join([*lines, "", *_foot_note(results), ""])


def _run_table(run: Mapping) -> list[str]:
    def file(kind: str) -> str:
        return f"{code(run[kind])}, SHA-256 {code(run[f'{kind}_sha256'][:12])}"

    versions = ", ".join(f"{plain(name)} {plain(v)}" for name, v in run["versions"].items())
    rows = [("config", file("config")), ("checkpoint", file("checkpoint")), ("versions", versions)]
    return markdown_table(("run", ""), rows, words={0, 1})


def _dataset_section(result: DatasetResult, pictures: Mapping[str, str]) -> list[str]:
    protocol = result.protocol
    lines = [
        f"## {plain(result.name)}: {plain(protocol.title)}",
        "",
        f"Protocol {code(protocol.identifier)}, version {protocol.version}. {amounts(result)}",
        _labels(protocol),
    ]
    if protocol.components is not None:
        sizes = protocol.components
        lines.append(
            f"Smallest components that count: {sizes.predicted} pixels (predicted), {sizes.true} "
            "(true)."
        )
    if result.closed_set is not None:
        closed = ", ".join(
            f"{name} {format_figure(name, value)}" for name, value in result.closed_set.items()
        )
        lines.append(f"Closed set, on known pixels: {closed}.")
    lines += ["", *_own_table(result), "", _resolution(result)]
    lines += _published_table(protocol.published)
    if reason := undefined(result):
        lines += ["", f"There are {reason}: such figures are {NOTHING}, and no curve is drawn."]
    for title, path in pictures.items():
        lines += ["", f"![{plain(title)}]({quote(path)})"]
    return lines


def _labels(protocol: Protocol) -> str:
    known, unknown, ignored = map(plain, (protocol.known, protocol.unknown, protocol.ignored))
    if known == unknown == ignored:
        return f"Known, unknown, ignored: {known}."
    return f"Known: {known}. Unknown: {unknown}. Ignored: {ignored}."


def _own_table(result: DatasetResult) -> list[str]:
    header = ["score", *(plain(heading(name)) for name in figure_names(result))]
    rows = [
        [code(score), *(f"**{text}**" if best else text for text, best in cells)]
        for score, cells in table_cells(result).items()
    ]
    return markdown_table(header, rows, words={0})


def _published_table(published: Sequence[Published]) -> list[str]:
    if not published:
        return []
    words = ["network", "unknown data", "resynthesis", "source"]
    header = ["published method", *map(heading, PUBLISHED), *words]
    rows = [
        [
            plain(row.method),
            *(format_figure(name, getattr(row, name)) for name in PUBLISHED),
            plain(row.backbone or NOTHING),
            "yes" if row.unknown_data else "no",
            "yes" if row.resynthesis else "no",
            plain(row.source + (f" ({row.note})" if row.note else "")),
        ]
        for row in published
    ]
    return [
        "",
        "**Published** by others, not run here (unknown data: used in training; resynthesis: an "
        "extra network):",
        "",
        *markdown_table(header, rows, words={0, 4, 5, 6, 7}),
    ]


def _resolution(result: DatasetResult) -> str:
    """How exact the figures of all scores of a data set are."""
    cut = [histogram for histogram in result.histograms.values() if histogram.bits < MAX_BITS]
    if not cut:
        return "Every float32 score is counted exactly."
    widths: dict[str, float] = {}
    for histogram in cut:
        for name, (low, high) in bounds(histogram).items():
            if not math.isnan(low):
                widths[name] = max(widths.get(name, 0.0), 100 * (high - low))
    bits = min(histogram.bits for histogram in cut)
    text = f"Scores are counted by their {bits} leading float32 bits or more"
    if not widths:
        return text + "."
    ranges = ", ".join(f"{name} {width:.2g}" for name, width in widths.items())
    return f"{text}; that can have moved a figure by at most (percentage points): {ranges}."


def _foot_note(results: Sequence[DatasetResult]) -> list[str]:
    rules: dict[str, str] = {}
    for result in results:
        rules |= result.protocol.rules
    text = ". ".join(f"{plain(name)}: {plain(rule)}" for name, rule in rules.items())
    return [f"[^rules]: {text}."] if text else []
