"""Old names of options work, with a one-line notice."""

import pytest

from mmosr.utils.renamed_options import present_names
from tests.in_process import load_tool

RENAMED = {"--score": "--scores", "--out": "--out-dir"}


def test_old_names(capsys):
    given = ["a", "--score", "msp", "--out=x", "--score-more", "--scores", "--out-dir", "--score"]
    found = ["a", "--scores", "msp", "--out-dir=x", "--score-more", "--scores", "--out-dir"]
    assert present_names(RENAMED, given) == [*found, "--scores"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "warning: --score is now called --scores, --out is now called --out-dir"


def test_present_names_say_nothing(capsys):
    given = ["--scores", "msp", "score", "--out-dir", "out"]
    assert present_names(RENAMED, given) == given
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("tool", "old", "new"),
    [
        ("test", ["c", "p", "--score", "a", "b", "--out", "o"], dict(scores=["a", "b"])),
        ("test", ["c", "p", "--out", "o"], dict(out_dir="o")),
        ("fit_score", ["c", "p", "--score", "a", "--out", "o"], dict(scores=["a"], out="o")),
        ("benchmark", ["c", "p", "--out", "o"], dict(out_dir="o")),
        ("compare", ["--model", "n", "c", "p", "--out", "o"], dict(out_dir="o")),
        ("run_protocol", ["x", "--method", "c", "--out", "o"], dict(out_dir="o")),
        ("export_heatmaps", ["c", "p", "i", "--score", "a"], dict(scores="a")),
        (
            "score_images",
            ["c", "p", "i", "--score", "a", "--out", "o"],
            dict(scores=["a"], out="o"),
        ),
        ("analysis_tools/representation", ["c", "p", "--out", "o"], dict(out_dir="o")),
    ],
)
def test_tools(monkeypatch, capsys, tool, old, new):
    monkeypatch.setattr("sys.argv", [tool, *old])
    args = vars(load_tool(tool).parse_args())
    assert {key: args[key] for key in new} == new
    assert capsys.readouterr().err.startswith("warning: ")
