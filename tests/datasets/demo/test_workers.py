"""Tests of drawing demo scenes in several processes."""

import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmosr.datasets.demo import workers
from mmosr.datasets.demo.scenes import write_demo_scenes
from mmosr.datasets.demo.workers import draw_all

SCENES = [("train", i) for i in range(24)]


@pytest.fixture
def processors(monkeypatch):
    """Pretend that there are so many processors."""
    return lambda count: monkeypatch.setattr(workers, "cpu_count", lambda: count)


def write(root, **options):
    return write_demo_scenes(root, train=16, val=4, test=4, val_unknown=4, size=(32, 64), **options)


def contents(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def note_process(folder, scene):
    (folder / f"{scene[1]}_{os.getpid()}").touch()


def processes(folder):
    return {int(path.name.split("_")[1]) for path in folder.iterdir()}


def test_any_number_of_processes_draws_the_same(tmp_path, processors):
    found = []
    for count in (1, 2, 3):
        processors(count)
        found.append(contents(write(tmp_path / str(count))))
    assert len(found[0]) == 2 * 28 + 1
    assert found[0] == found[1] == found[2]


def test_processes_and_progress(tmp_path, processors):
    processors(3)
    taken = []

    def progress(scenes):
        for scene in scenes:
            yield scene
            taken.append((scene, len(list(tmp_path.iterdir()))))

    draw_all(partial(note_process, tmp_path), SCENES, progress)
    assert os.getpid() not in processes(tmp_path) and len(processes(tmp_path)) <= 3
    assert [scene for scene, _ in taken] == SCENES
    # A scene counts when it is drawn, not when it is handed over.
    assert all(drawn > i for i, (_, drawn) in enumerate(taken))


@pytest.mark.parametrize(("count", "scenes"), [(8, SCENES[:15]), (1, SCENES), (8, [])])
def test_few_scenes_or_one_processor_need_no_pool(tmp_path, processors, count, scenes):
    processors(count)
    draw_all(partial(note_process, tmp_path), scenes, iter)
    assert processes(tmp_path) == ({os.getpid()} if scenes else set())


def test_without_fork_all_is_drawn_here(tmp_path, processors, monkeypatch):
    processors(3)
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    draw_all(partial(note_process, tmp_path), SCENES, iter)
    assert processes(tmp_path) == {os.getpid()}


def fail_at_3(folder, scene):
    if scene[1] == 3:
        raise OSError("no space left")
    time.sleep(0.1)
    note_process(folder, scene)


def test_an_error_of_a_process_comes_out_as_itself(tmp_path, processors):
    before = multiprocessing.active_children()  # those of other tests
    processors(2)
    with pytest.raises(OSError, match="^no space left$"):
        draw_all(partial(fail_at_3, tmp_path), SCENES, iter)
    assert 3 <= len(list(tmp_path.iterdir())) < 23
    assert set(multiprocessing.active_children()) <= set(before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_set_is_completed(tmp_path, processors, error):
    def stop_after_two(scenes):
        yield from scenes[:2]
        raise error

    before = multiprocessing.active_children()
    processors(2)
    root = tmp_path / "set"
    with pytest.raises(error):
        write(root, progress=stop_after_two)
    assert set(multiprocessing.active_children()) <= set(before)
    assert contents(write(root)) == contents(write(tmp_path / "whole"))


def draw_slowly(folder, scene):
    note_process(folder, scene)
    time.sleep(0.1)


def after_opencv_has_threads(folder):
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 3)
    draw_all(partial(draw_slowly, folder), SCENES, iter)


def runs(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def other_process(tmp_path, processors):
    """A process that draws with two others."""
    processors(2)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=after_opencv_has_threads, args=(tmp_path,))
    process.start()
    yield process
    process.kill()
    process.join()


def test_threads_of_opencv_do_not_block_the_processes(tmp_path, other_process):
    other_process.join(30)
    assert other_process.exitcode == 0
    assert len(list(tmp_path.iterdir())) == len(SCENES)


def test_processes_end_when_their_parent_is_killed(tmp_path, other_process):
    for _ in range(200):
        if len(found := processes(tmp_path)) == 2:
            break
        time.sleep(0.05)
    assert all(runs(pid) for pid in found)
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.join()
    for _ in range(200):
        if not any(runs(pid) for pid in found):
            break
        time.sleep(0.05)
    assert not any(runs(pid) for pid in found)
