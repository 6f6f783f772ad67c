"""The report of a protocol: mean and standard deviation next to published results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from mmosr.benchmark.reports import source_text, versions_text, write_files
from mmosr.runs.tables import NOTHING, code, log_console, markdown_table, plain, terminal_table

from .result import ACCURACY, OPENNESS, SPREAD, TOP5, ProtocolRun, spread

CSV_COLUMNS = "protocol version kind method score network figure mean std trials source".split()


def write_report(out: Path, run: ProtocolRun) -> list[Path]:
    """Write ``protocol.json``, ``protocol.csv`` and ``protocol.md`` into a folder, each atomically.

    Methods without a finished trial are listed with the reason.
    """
    content = run.content()
    return write_files(
        out / "protocol", content, _csv_rows(content), _markdown(content), columns=CSV_COLUMNS
    )


def print_report(run: ProtocolRun, console: Console | None = None) -> None:
    """Print the table, with the published results below ours."""
    content = run.content()
    names = _figures(content)
    table = terminal_table(
        ["method", "score or network"],
        names,
        ["trials or source"],
        _own_rows(content, names),
        title=content["title"],
        caption=f"protocol {content['protocol']}, version {content['version']}; {SPREAD}",
    )
    table.add_section()
    for row in _published_rows(content, names):
        table.add_row(*map(escape, row), style="dim")
    (console or log_console()).print(table)


def _split(key: str) -> tuple[str, str]:
    """Score and figure of a key of the metric; the accuracy belongs to no score."""
    if key.startswith(ACCURACY):
        return "", key
    score, _, figure = key.rpartition("/")
    return score, figure


def _csv_rows(content: Mapping) -> Iterator[tuple]:
    head = (content["protocol"], content["version"])
    for method, part in content["methods"].items():
        figures, openness = part["figures"], _known(part[OPENNESS])
        if openness:
            figures = {**figures, OPENNESS: spread(openness)}
        for key, found in figures.items():
            score, figure = _split(key)
            values = (found["mean"], found["std"], len(found["trials"]))
            yield (*head, "run", method, score, "", figure, *values, part["config"])
    for row in content["published"]:
        source = source_text(row["source"], row["note"])
        for figure, values in row["figures"].items():
            own = ("", row["network"], figure, *values, "", source)
            yield (*head, "published", row["method"], *own)


def _figures(content: Mapping) -> list[str]:
    """Figures in our own tables: the protocol's, and the top-5 accuracy if there is one."""
    names = content["figures"]
    return [*names, TOP5] if TOP5 in content["rules"] and TOP5 not in names else names


def _own_rows(content: Mapping, names: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for method, part in content["methods"].items():
        figures = part["figures"]
        scores = dict.fromkeys(score for score, _ in map(_split, figures) if score)
        trials = ", ".join(map(str, part["trials"])) or NOTHING
        for score in scores or [NOTHING]:
            keys = [name if name.startswith(ACCURACY) else f"{score}/{name}" for name in names]
            values = [figures.get(key, {}) for key in keys]
            cells = [_cell(value.get("mean"), value.get("std")) for value in values]
            rows.append((method, score, *cells, trials))
    return rows


def _published_rows(content: Mapping, names: Sequence[str]) -> list[tuple[str, ...]]:
    return [
        (
            row["method"],
            row["network"] or NOTHING,
            *(_cell(*row["figures"].get(name, (None, None))) for name in names),
            source_text(row["source"], row["note"]),
        )
        for row in content["published"]
    ]


def _cell(mean: float | None, std: float | None) -> str:
    if mean is None:
        return NOTHING
    return f"{mean:.2f}" + ("" if std is None else f" ± {std:.2f}")


def _known(openness: Mapping[str, float | None]) -> dict[str, float]:
    """Openness of the trials that have one."""
    return {trial: value for trial, value in openness.items() if value is not None}


def _markdown(content: Mapping) -> Iterator[str]:
    names = _figures(content)
    yield f"# {plain(content['title'])}"
    yield ""
    yield (
        f"Protocol {code(content['protocol'])}, version {content['version']} "
        f"({plain(content['source'])}). Known: {plain(content['known'])}; unknown: "
        f"{plain(content['unknown'])}. Figures in percent; {SPREAD}."
    )
    yield ""
    yield from _table(["method", "score", *names, "trials"], _own_rows(content, names))
    yield ""
    yield from _openness(content)
    for method, part in content["methods"].items():
        yield from _origins(method, part)
    yield f"- versions: {versions_text(content['versions'])}"
    if content["published"]:
        yield from ("", "Published by others, not run here:", "")
        names = content["figures"]
        yield from _table(["method", "network", *names, "source"], _published_rows(content, names))
    yield ""
    for name, rule in content["rules"].items():
        yield f"- {plain(name)}: {plain(rule)}"


def _openness(content: Mapping) -> list[str]:
    """The openness of the trials: one line, if there is one."""
    found: dict[str, float] = {}
    for part in content["methods"].values():
        found |= _known(part[OPENNESS])
    texts = [f"trial {trial}: {value:.2f} %" for trial, value in found.items()]
    if len(set(found.values())) == 1:
        texts = [f"{next(iter(found.values())):.2f} %"]
    return [f"- openness {', '.join(texts)}"] if texts else []


def _origins(method: str, part: Mapping) -> Iterator[str]:
    """Where the figures of a method come from, and what is missing."""
    if part["trials"]:
        sums = ", ".join(
            f"{trial}: {code(config[:12])} / {code(part['checkpoint_sha256'][trial][:12])}"
            for trial, config in part["config_sha256"].items()
        )
        yield (
            f"- {plain(method)}: {code(part['config'])}; SHA-256 of config and checkpoint by "
            f"trial {sums}"
        )
    for trial, source in part["trained"].items():
        yield (
            f"- {plain(method)}, trial {trial}: not trained here; checkpoint "
            f"{code(source['checkpoint'])} of protocol {code(source['protocol'])}"
        )
    for trial, reason in part["failed"].items():
        yield f"- {plain(method)}, trial {trial} **failed**: {plain(reason)}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    header, *rows = ([plain(cell) for cell in row] for row in (header, *rows))
    return markdown_table(header, rows, words=(0, 1))
