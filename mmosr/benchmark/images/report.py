"""The report of a protocol: mean and standard deviation beside what others have published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape

from mmosr.runs.files import write_text
from mmosr.runs.record import write_json
from mmosr.runs.tables import (
    NOTHING,
    code,
    log_console,
    markdown_table,
    plain,
    terminal_table,
    write_csv,
)

from .result import ProtocolRun
from .summary import ACCURACY, OPENNESS, SPREAD, TOP5, deviation, report_content

COLUMNS = (
    "protocol",
    "version",
    "kind",
    "method",
    "score",
    "network",
    "figure",
    "mean",
    "std",
    "trials",
    "source",
)


def write_report(out: Path, run: ProtocolRun) -> list[Path]:
    """Write ``protocol.json``, ``protocol.csv`` and ``protocol.md``, each whole.

    Args:
        out: Their folder.
        run: What was run; methods without a finished trial are named with the reason.
    """
    content = report_content(run)
    paths = [out / f"protocol.{kind}" for kind in ("json", "csv", "md")]
    write_json(paths[0], content)
    write_csv(paths[1], _csv_rows(content), COLUMNS)
    write_text(paths[2], _markdown(content))
    return paths


def print_report(run: ProtocolRun, console: Console | None = None) -> None:
    """Print the table, with the published results below ours.

    Args:
        run: What was run.
        console: Default: standard output.
    """
    content = report_content(run)
    names = _figures(content)
    table = terminal_table(
        ["method", "score or network"],
        names,
        ["trials or source"],
        _own_rows(content),
        title=content["title"],
        caption=f"protocol {content['protocol']}, version {content['version']}; {SPREAD}",
    )
    table.add_section()
    for row in _published_rows(content, names):
        table.add_row(*map(escape, row), style="dim")
    (console or log_console()).print(table)


def _split(key: str) -> tuple[str, str]:
    """Score and figure of a key of the metric; the accuracy is of no score."""
    if key.startswith(ACCURACY):
        return "", key
    score, _, figure = key.rpartition("/")
    return score, figure


def _csv_rows(content: Mapping) -> list[tuple]:
    head = (content["protocol"], content["version"])
    rows = []
    for method, part in content["methods"].items():
        for key, value in part["figures"].items():
            score, figure = _split(key)
            count = len(value["trials"])
            own = (score, "", figure, value["mean"], value["std"], count, part["config"])
            rows.append((*head, "run", method, *own))
        values = [value for value in part[OPENNESS].values() if value is not None]
        if values:
            own = ("", "", OPENNESS, np.mean(values), deviation(values), len(values))
            rows.append((*head, "run", method, *own, part["config"]))
    for row in content["published"]:
        for figure, (mean, std) in row["figures"].items():
            note = row["source"] + (f" ({row['note']})" if row["note"] else "")
            own = ("", row["network"], figure, mean, std, "", note)
            rows.append((*head, "published", row["method"], *own))
    return rows


def _figures(content: Mapping) -> list[str]:
    """Figures of a table of ours: the protocol's, and the top-5 accuracy where there is one."""
    names = content["figures"]
    return [*names, TOP5] if TOP5 in content["rules"] and TOP5 not in names else list(names)


def _own_rows(content: Mapping) -> list[tuple[str, ...]]:
    rows, names = [], _figures(content)
    for method, part in content["methods"].items():
        figures = part["figures"]
        scores = dict.fromkeys(score for score, _ in map(_split, figures) if score)
        trials = ", ".join(map(str, part["trials"])) or NOTHING
        for score in scores or [NOTHING]:
            cells = []
            for name in names:
                value = figures.get(name if name.startswith(ACCURACY) else f"{score}/{name}")
                cells.append(_cell(value["mean"], value["std"]) if value else NOTHING)
            rows.append((method, score, *cells, trials))
    return rows


def _published_rows(content: Mapping, names: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for row in content["published"]:
        cells = [
            _cell(*row["figures"][name]) if name in row["figures"] else NOTHING for name in names
        ]
        note = row["source"] + (f" ({row['note']})" if row["note"] else "")
        rows.append((row["method"], row["network"] or NOTHING, *cells, note))
    return rows


def _cell(mean: float, std: float | None) -> str:
    return f"{mean:.2f}" + ("" if std is None else f" ± {std:.2f}")


def _markdown(content: Mapping) -> str:
    figures = list(content["figures"])
    versions_ = ", ".join(f"{plain(name)} {plain(v)}" for name, v in content["versions"].items())
    lines = [
        f"# {plain(content['title'])}",
        "",
        f"Protocol {code(content['protocol'])}, version {content['version']} "
        f"({plain(content['source'])}). Known: {plain(content['known'])}; unknown: "
        f"{plain(content['unknown'])}. Figures in percent; {SPREAD}.",
        "",
        *_table(["method", "score", *_figures(content), "trials"], _own_rows(content)),
        "",
        *_openness(content),
        *_hashes(content),
        f"- versions: {versions_}",
    ]
    if content["published"]:
        rows = _published_rows(content, figures)
        lines += ["", "Published by others, not run here:", ""]
        lines += _table(["method", "network", *figures, "source"], rows)
    rules = [f"- {plain(name)}: {plain(rule)}" for name, rule in content["rules"].items()]
    return "\n".join([*lines, "", *rules, ""])


def _openness(content: Mapping) -> list[str]:
    """The openness of the trials, one line where there is one."""
    found = {
        trial: value
        for part in content["methods"].values()
        for trial, value in part[OPENNESS].items()
        if value is not None
    }
    if len(set(found.values())) == 1:
        return [f"- openness {next(iter(found.values())):.2f} %"]
    if found:
        values = ", ".join(f"trial {trial}: {value:.2f} %" for trial, value in found.items())
        return [f"- openness {values}"]
    return []


def _hashes(content: Mapping) -> list[str]:
    """Where each method's figures come from, and what is missing."""
    lines = []
    for method, part in content["methods"].items():
        if part["trials"]:
            sums = ", ".join(
                f"{trial}: {code(part['config_sha256'][trial][:12])} / "
                f"{code(part['checkpoint_sha256'][trial][:12])}"
                for trial in part["config_sha256"]
            )
            lines.append(
                f"- {plain(method)}: {code(part['config'])}; SHA-256 of config and checkpoint by "
                f"trial {sums}"
            )
        for trial, source in part["trained"].items():
            lines.append(
                f"- {plain(method)}, trial {trial}: not trained here; checkpoint "
                f"{code(source['checkpoint'])} of protocol {code(source['protocol'])}"
            )
        for trial, reason in part["failed"].items():
            lines.append(f"- {plain(method)}, trial {trial} **failed**: {plain(reason)}")
    return lines


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    header, *rows = ([plain(cell) for cell in row] for row in (header, *rows))
    return markdown_table(header, rows, words=(0, 1))
