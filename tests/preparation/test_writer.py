"""Writing a prepared folder: links, copies, and what is made again."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from mmosr.preparation.plan import Output, Plan
from mmosr.preparation.writer import Summary, write_plan
from mmosr.utils import InputError
from mmosr.version import __version__

from .downloads import manifest, snapshot
from .toy import NAMES, ids, plan_of, remade


def test_links_and_conversions(source, folder):
    before = snapshot(source)
    assert write_plan(plan_of(source), folder) == Summary(4, 0, 0)
    assert snapshot(source) == before
    for name in "ac":
        path = folder / "sub" / f"{name}.txt"
        assert os.readlink(path) == str(source / "raw" / f"{name}.txt")
        assert path.read_text() == f"content of {name}"
    for name in "bd":
        path = folder / "sub" / f"{name}.txt"
        assert not path.is_symlink() and path.read_text() == f"CONTENT OF {name.upper()}"


def test_manifest(source, folder):
    options = dict(version=2)
    write_plan(plan_of(source, options=options, dataset=dict(x=[1])), folder)
    content = manifest(folder)
    assert content["name"] == "toy" and content["tool"] == f"mmosr {__version__}"
    assert content["source"] == str(source) and content["format"] == 1
    assert content["options"] == options and content["dataset"] == {"x": [1]}
    entry = content["outputs"]["sub/b.txt"]
    assert entry["sources"] == ["raw/b.txt"] and entry["how"] == "in capitals"
    assert entry["sha256"] == hashlib.sha256(b"CONTENT OF B").hexdigest() and entry["size"] == 12
    assert content["outputs"]["sub/a.txt"]["how"] == "link"
    assert list(content["outputs"]) == [f"sub/{name}.txt" for name in NAMES]


def test_copies(source, folder):
    write_plan(plan_of(source, copy=True), folder)
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert (folder / "sub" / "a.txt").read_text() == "content of a"
    assert manifest(folder)["outputs"]["sub/a.txt"]["how"] == "copy"


def test_checksum_of_a_large_file(source, folder):
    data = bytes(range(256)) * 9000  # more than is read at once
    (source / "raw" / "a.txt").write_bytes(data)
    write_plan(plan_of(source, copy=True), folder)
    assert manifest(folder)["outputs"]["sub/a.txt"]["size"] == len(data) == 2304000
    (folder / "sub" / "a.txt").write_bytes(data[:-1] + b"x")
    assert write_plan(plan_of(source, copy=True), folder) == Summary(1, 3, 0)


def test_files_of_many_sources_name_their_folder(source, folder):
    files = tuple(source / "raw" / f"{name}.txt" for name in NAMES)
    (source / "more.txt").write_text("x")
    joined = Output("all.txt", (*files, source / "more.txt"), "joined", lambda p: p.write_text("j"))
    write_plan(Plan("toy", source, (joined,)), folder)
    assert manifest(folder)["outputs"]["all.txt"]["sources"] == ["."]
    assert write_plan(Plan("toy", source, (joined,)), folder).made == 0
    files[3].write_text("another text")
    assert write_plan(Plan("toy", source, (joined,)), folder).made == 1


@pytest.mark.parametrize("copy", [False, True])
def test_second_run_makes_nothing(source, folder, copy):
    write_plan(plan_of(source, copy=copy), folder)
    before, recorded = ids(folder), manifest(folder)
    assert write_plan(plan_of(source, copy=copy), folder) == Summary(0, 4, 0)
    assert ids(folder) == before and manifest(folder) == recorded


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("name", ["a", "b"])
def test_changed_source_is_made_anew(source, folder, name, copy):
    write_plan(plan_of(source, copy=copy), folder)
    before, file = ids(folder), source / "raw" / f"{name}.txt"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_text(f"CHANGED file {name}...")
    os.utime(file, ns=times)  # the size is another one
    assert write_plan(plan_of(source, copy=copy), folder) == Summary(1, 3, 0)
    assert remade(before, ids(folder)) == [f"{name}.txt"]
    file.write_text(f"CHANGED file {name}!!!")  # the time is another one
    os.utime(file, ns=(times[0], times[1] + 1))
    assert write_plan(plan_of(source, copy=copy), folder) == Summary(1, 3, 0)
    expected = file.read_text()
    assert (folder / "sub" / f"{name}.txt").read_text() == (
        expected.upper() if name == "b" else expected
    )
    manifest(folder)


def test_damaged_outputs_are_mended(source, folder):
    write_plan(plan_of(source, copy=True), folder)
    before = ids(folder)
    status = (folder / "sub" / "a.txt").stat()
    (folder / "sub" / "a.txt").write_text("CONTENT of a")  # of the same size and time
    os.utime(folder / "sub" / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "sub" / "d.txt").unlink()
    assert write_plan(plan_of(source, copy=True), folder) == Summary(2, 2, 0)
    assert remade(before, ids(folder)) == ["a.txt", "d.txt"]
    assert (folder / "sub" / "a.txt").read_text() == "content of a"
    manifest(folder)


def test_links_to_another_file_are_mended(source, folder):
    write_plan(plan_of(source), folder)
    twin = source / "twin.txt"
    twin.write_text("content of a")
    (folder / "sub" / "a.txt").unlink()
    (folder / "sub" / "a.txt").symlink_to(twin)
    (folder / "sub" / "c.txt").unlink()
    (folder / "sub" / "c.txt").write_text("content of c")
    assert write_plan(plan_of(source), folder) == Summary(2, 2, 0)
    for name in "ac":
        assert os.readlink(folder / "sub" / f"{name}.txt") == str(source / "raw" / f"{name}.txt")


def test_moved_download(source, folder):
    """Links must be made again; what was copied or converted is still right."""
    write_plan(plan_of(source), folder)
    moved = source.rename(source.with_name("moved"))
    assert write_plan(plan_of(moved), folder) == Summary(2, 2, 0)
    assert (folder / "sub" / "a.txt").read_text() == "content of a"


def test_from_links_to_copies_and_back(source, folder):
    write_plan(plan_of(source), folder)
    assert write_plan(plan_of(source, copy=True), folder) == Summary(2, 2, 0)
    assert not (folder / "sub" / "a.txt").is_symlink()
    assert (source / "raw" / "a.txt").read_text() == "content of a"
    assert write_plan(plan_of(source), folder) == Summary(2, 2, 0)
    assert (folder / "sub" / "a.txt").is_symlink()


def test_files_no_longer_planned_are_removed(source, folder):
    write_plan(plan_of(source), folder)
    assert write_plan(plan_of(source, names="ab"), folder) == Summary(0, 2, 2)
    assert sorted(ids(folder)) == ["a.txt", "b.txt"]
    manifest(folder)
    assert (source / "raw" / "c.txt").is_file()


@pytest.mark.parametrize("path", ["sub/a.txt", "mine.txt", "sub/.hidden", "manifest.txt"])
def test_folder_with_other_files(source, folder, path):
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text("mine")
    before = snapshot(folder)
    with pytest.raises(InputError, match=f"holds 1 files that prepare.py did not make: {path}"):
        write_plan(plan_of(source), folder)
    assert snapshot(folder) == before


def test_other_files_are_refused_after_a_run(source, folder):
    write_plan(plan_of(source), folder)
    for index in range(4):
        (folder / "sub" / f"mine_{index}.txt").write_text("mine")
    with pytest.raises(InputError, match=r"4 files .*: sub/mine_0.txt, .*mine_2.txt, \.\.\.: "):
        write_plan(plan_of(source), folder)


def test_folder_that_is_a_link_to_the_download(source, folder):
    folder.mkdir(parents=True)
    (folder / "sub").symlink_to(source / "raw")
    before = snapshot(source)
    with pytest.raises(InputError, match="holds 1 files that prepare.py did not make: sub"):
        write_plan(plan_of(source), folder)
    write_plan(plan_of(source), folder.with_name("other"))
    for path in (folder.with_name("other") / "sub").iterdir():
        path.unlink()
    (folder.with_name("other") / "sub").rmdir()
    (folder.with_name("other") / "sub").symlink_to(source / "raw")
    with pytest.raises(InputError, match="did not make: sub"):
        write_plan(plan_of(source), folder.with_name("other"))
    assert snapshot(source) == before


def test_another_data_set_or_a_file(source, folder):
    write_plan(plan_of(source), folder)
    other = Plan("other", source, plan_of(source).outputs)
    with pytest.raises(InputError, match="holds the data set toy: choose another one"):
        write_plan(other, folder)
    with pytest.raises(InputError, match="is not a folder"):
        write_plan(plan_of(source), folder / "manifest.json")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 2, "outputs": {}}'])
def test_broken_manifest(source, folder, text):
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest.json' is not the record of a run: remove it"):
        write_plan(plan_of(source), folder)


def test_links_that_cannot_be_made(source, folder, monkeypatch):
    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)  # as on a file system without links
    with pytest.raises(InputError, match="Operation not permitted.*add --copy"):
        write_plan(plan_of(source), folder)


def test_last_outputs_come_after_all_others(source, folder):
    seen = []
    last = Output(
        "list.txt",
        (source / "raw" / "a.txt",),
        "listed",
        lambda path: (seen.extend(sorted(ids(folder))), path.write_text("x")),
    )
    plan = plan_of(source)
    assert write_plan(Plan("toy", source, plan.outputs, (last,)), folder) == Summary(5, 0, 0)
    assert seen == [f"{name}.txt" for name in NAMES]
    assert "list.txt" in json.loads((folder / "manifest.json").read_text())["outputs"]
