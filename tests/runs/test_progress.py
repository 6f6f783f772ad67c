"""How progress is shown in a log and on a terminal."""

import sys
import threading

import pytest

from mmosr.runs import progress as module
from mmosr.runs.progress import progress


def test_about_ten_lines_in_a_log(capsys):
    assert list(progress(range(25), "read", "files")) == list(range(25))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"read: {done}/25 files" for done in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)
    ]
    assert all(line.endswith(" files/s") for line in lines)


def test_one_line_a_minute_in_a_slow_run(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    for _ in progress(iter(range(3)), "test", total=1000):
        clock[0] += 40
    assert capsys.readouterr().out == "test: 2/1000 images, 0.03 images/s\n"


def test_silent_and_empty(capsys):
    assert list(progress(range(5), "read", show=False)) == list(range(5))
    assert list(progress([], "read")) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fail", [False, True])
def test_bar_on_a_terminal(capsys, monkeypatch, fail):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress([], "nothing")) == [] and not capsys.readouterr().out
    items = iter(progress(range(3), "[what]"))
    assert [next(items), next(items)] == [0, 1]
    if fail:
        items.close()
    else:
        assert list(items) == [2]
    text = capsys.readouterr().out
    assert "[what]" in text and ("3/3" in text) != fail


def test_items_are_asked_for_before_the_bar_has_a_thread(monkeypatch):
    """A data loader forks its processes then, and a fork beside a thread can hang."""

    class Loader:
        def __len__(self):
            return 2

        def __iter__(self):
            threads.append(threading.active_count())
            return iter([0, 1])

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    threads = [threading.active_count()]
    assert list(progress(Loader(), "test")) == [0, 1]
    assert threads[0] == threads[1]
