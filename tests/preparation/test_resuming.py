"""Runs that failed or were killed, and continue."""

import os
import signal

import pytest

from mmosr.preparation.records import Records
from mmosr.preparation.writer import Summary, write_plan
from mmosr.utils import InputError

from .downloads import manifest
from .toy import NAMES, ids, plan_of, remade, upper


class Stop:
    """Replaces ``upper``, and acts when it reaches one of the files."""

    def __init__(self, name, act):
        self.name, self.act = name, act

    def __call__(self, source):
        def make(path):
            if source.stem == self.name:
                path.write_text("half")
                self.act()
            upper(source)(path)

        return make


def test_source_that_fails_halfway(source, folder):
    def fail():
        raise InputError("d.txt is broken")

    with pytest.raises(InputError, match="d.txt is broken"):
        write_plan(plan_of(source, Stop("d", fail)), folder)
    assert sorted(ids(folder)) == ["a.txt", "b.txt", "c.txt"]
    assert not (folder / "manifest.json").exists() and Records(folder).unfinished
    before = ids(folder)
    assert write_plan(plan_of(source), folder) == Summary(1, 3, 0)
    assert remade(before, ids(folder)) == ["d.txt"]
    assert (folder / "sub" / "d.txt").read_text() == "CONTENT OF D"
    manifest(folder)


def kill_at(name, source, folder):
    """Run in a process that is killed while it writes one of the files."""
    child = os.fork()
    if child == 0:
        write_plan(
            plan_of(source, Stop(name, lambda: os.kill(os.getpid(), signal.SIGKILL))), folder
        )
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize(("name", "done"), [("b", 1), ("d", 3)])
def test_killed_run_goes_on(source, folder, name, done):
    kill_at(name, source, folder)
    left = [path for path in (folder / "sub").iterdir() if path.name.startswith(".")]
    assert len(left) == 1 and left[0].read_text() == "half"
    assert len(ids(folder)) == done + 1
    before = ids(folder)
    assert write_plan(plan_of(source), folder) == Summary(4 - done, done, 0)
    assert remade(before, ids(folder)) == [f"{n}.txt" for n in NAMES[done:]]
    manifest(folder)


def test_killed_twice(source, folder):
    kill_at("b", source, folder)
    kill_at("d", source, folder)
    assert write_plan(plan_of(source), folder) == Summary(1, 3, 0)
    manifest(folder)


def test_line_cut_off_by_the_kill(source, folder):
    kill_at("d", source, folder)
    journal = folder / "manifest.partial.jsonl"
    journal.write_text(journal.read_text()[:-20])
    assert write_plan(plan_of(source), folder) == Summary(2, 2, 0)
    manifest(folder)


def test_killed_while_it_mends(source, folder):
    """The old manifest stays until the run has finished."""
    write_plan(plan_of(source), folder)
    old = (folder / "manifest.json").read_text()
    (source / "raw" / "a.txt").write_text("a new text")
    (source / "raw" / "d.txt").write_text("another new text")
    kill_at("d", source, folder)
    assert (folder / "manifest.json").read_text() == old
    records = Records(folder)
    assert records.unfinished and len(records.entries) == 4
    assert records.entries["sub/a.txt"]["size"] == len("a new text")
    assert write_plan(plan_of(source), folder) == Summary(1, 3, 0)
    manifest(folder)
