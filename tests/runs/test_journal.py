"""The journal of an unfinished run."""

import pytest

from mmosr.runs.journal import Journal, read_journal
from mmosr.utils import InputError

RUN = {"model_sha256": "a", "seed": 0}


def test_numbers_are_kept_exactly_and_a_line_that_was_cut_off_is_dropped(tmp_path):
    path = tmp_path / "m.jsonl"
    lines = [["a", 1 / 3, 0.1], ["b", 2.0, 1e-300]]
    Journal(path, RUN).add(lines)
    assert read_journal(path) == (RUN, lines)
    path.write_text(path.read_text() + '["c", 1.2')
    again = Journal(path, RUN, resume=True)
    assert again.lines == lines
    again.add([["c", 3.0, 0.0]])
    assert [key for key, *_ in Journal(path, RUN, resume=True).lines] == ["a", "b", "c"]
    assert not Journal(path, RUN).lines  # started again
    assert not Journal(path, RUN, resume=True).lines


def test_lines_to_begin_with(tmp_path):
    path = tmp_path / "m.jsonl"
    Journal(path, RUN, lines=[{"path": "a"}]).add(iter([{"path": "b"}]))
    assert path.read_text() == ('{"model_sha256": "a", "seed": 0}\n{"path": "a"}\n{"path": "b"}\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_sha256": "b", "seed": 1}\n', "differs in model, seed; choose another output"),
        ("", "not the record of a run"),
        ("[]\n", "not the record of a run"),
        ("{}\n", "not the record of a run"),
        ("no json\n", "not the record of a run"),
        ('{"model_sha256": "a", "seed": 0}\nno json\n', "not the record of a run"),
    ],
)
def test_another_run_is_left_alone(tmp_path, text, message):
    path = tmp_path / "m.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Journal(path, RUN, resume=True)
    assert path.read_text() == text
