"""Tables as CSV, markdown and in the terminal."""

import io

import pytest
from rich.console import Console

from mmosr.runs.tables import code, markdown_table, plain, terminal_table, write_csv


@pytest.mark.parametrize(
    "rows",
    [
        [{"a": 0.1, "b": None}, {"b": 'x, "y"', "a": True}],
        [(0.1, None), (True, 'x, "y"')],
    ],
)
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_csv(tmp_path, rows, line_end):
    path = tmp_path / "made" / "t.csv"
    write_csv(path, iter(rows), ["a", "b"], line_end)
    expected = ["a,b", "0.1,", 'True,"x, ""y"""', ""]
    assert path.read_bytes() == line_end.join(expected).encode()
    if isinstance(rows[0], dict):
        write_csv(path, rows)
        assert path.read_bytes() == "\r\n".join(expected).encode()


def test_markdown():
    assert markdown_table(["name", "AP ↑"], [["`a|b`", "1"], ["c\\|d", "–"]], {0}) == [
        "| name | AP ↑ |",
        "|:---|---:|",
        "| `a\\|b` | 1 |",
        "| c\\|d | – |",
    ]


def test_markup_is_escaped():
    assert plain("L*a*b <x> [y](z) road_anomaly _a_ |") == (
        "L\\*a\\*b \\<x> \\[y\\](z) road_anomaly \\_a\\_ \\|"
    )
    assert code("a`b") == "`` a`b ``" and code("a\nb") == "`a b`"


def test_terminal():
    console = Console(width=60, file=io.StringIO())
    table = terminal_table(
        ["score"], ["AP"], ["source"], [["[red]", "12.5", "here"]], title="[bold]", padding=0
    )
    console.print(table)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines[0] == ["[bold]"] and lines[1] == ["score", "AP", "source"]
    assert lines[3] == ["[red]", "12.5", "here"]
