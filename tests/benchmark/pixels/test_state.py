"""Part files: exact, complete, and never lost or counted twice."""

import io
import shutil

import numpy as np
import pytest
import torch

from mmosr.benchmark.pixels.state import (
    Part,
    PartWriter,
    images_done,
    part_files,
    remove_unfinished,
)
from mmosr.evaluation.counts import Counts
from mmosr.evaluation.histogram import ScoreHistogram
from mmosr.utils import InputError

from .support import run


def counts(seed: int, unknown: int = 5, areas: bool = True) -> Counts:
    generator = np.random.default_rng(seed)
    mask = np.arange(50) < unknown
    return Counts(
        1,
        seed + 3,
        torch.arange(8.0, dtype=torch.float64).reshape(4, 2) + seed if areas else None,
        {name: ScoreHistogram.from_scores(generator.normal(size=50), mask) for name in "ab"},
    )


def assert_same(one: Part, other: Part) -> None:
    assert one.counts.images == other.counts.images
    assert one.counts.ignored == other.counts.ignored
    assert one.counts.histograms == other.counts.histograms
    assert list(one.counts.histograms) == list(other.counts.histograms)
    assert (one.counts.areas is None) == (other.counts.areas is None)
    if one.counts.areas is not None:
        assert one.counts.areas.equal(other.counts.areas)
    for mine, its in zip(one.rows, other.rows, strict=True):
        assert (mine.index, mine.known, mine.unknown) == (its.index, its.known, its.unknown)
        np.testing.assert_equal(mine.figures, its.figures)


@pytest.mark.parametrize("areas", [True, False])
def test_a_part_is_read_as_it_was_written(tmp_path, areas):
    with PartWriter(tmp_path) as writer:
        for index in (4, 1, 7):
            # The second has no unknown pixel, so its figures are NaN.
            writer.add(index, counts(index, 0 if index == 1 else 5, areas))
    (path,) = part_files(tmp_path)
    assert_same(Part.load(path), writer.part)
    assert images_done(tmp_path) == {1, 4, 7}
    assert writer.part.counts.ignored == 4 + 1 + 7 + 9
    assert [(row.known, row.unknown) for row in writer.part.rows] == [(45, 5), (50, 0), (45, 5)]


def test_parts_add_up_in_any_order(tmp_path):
    writers = [PartWriter(tmp_path) for _ in range(3)]
    for index in range(7):
        writers[index % 3].add(index, counts(index))
    with PartWriter(tmp_path / "all") as whole:
        for index in range(7):
            whole.add(index, counts(index))
    parts = [writer.part for writer in writers]
    assert_same(Part.total(parts), whole.part)
    assert_same(Part.total(parts[::-1]), whole.part)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, InputError])
def test_what_was_not_due_is_written_in_the_end(tmp_path, error):
    with pytest.raises(error), PartWriter(tmp_path) as writer:
        writer.add(0, counts(0))
        writer._due = float("inf")
        writer.add(1, counts(1))
        assert images_done(tmp_path) == {0}
        raise error
    assert images_done(tmp_path) == {0, 1}
    assert len(part_files(tmp_path)) == 1


def test_writing_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    """One second per image and per file: a file after about every twentieth image."""
    from mmosr.benchmark.pixels import state

    clock = [0.0]
    written = []

    def save(part, path):
        clock[0] += 1
        written.append(len(part.rows))

    monkeypatch.setattr(state.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(state.Part, "save", save)
    with PartWriter(tmp_path) as writer:
        for index in range(41):
            clock[0] += 1
            writer.add(index, counts(index))
    assert written == [1, 20, 39, 41]


def test_an_image_counted_twice_and_a_damaged_file(files, tmp_path):
    def resume():
        return run(files, tmp_path, resume=True)

    resume()
    (path,) = part_files(tmp_path / "test/parts")
    copy = path.with_name("copy.npz")
    shutil.copy(path, copy)
    with pytest.raises(InputError, match="two runs wrote to this output folder"):
        resume()
    content = path.read_bytes()
    encrypted = content[:6] + bytes([content[6] | 1]) + content[7:]
    central = content.index(b"PK\1\2") + 8  # the same flag in the directory
    encrypted = encrypted[:central] + bytes([encrypted[central] | 1]) + encrypted[central + 1 :]
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    cut = (b"", content[:100], content[:-30], content[:2000] + content[2100:])
    for damaged in (*cut, encrypted, array.getvalue()):
        copy.write_bytes(damaged)
        with pytest.raises(InputError, match="copy.npz' is damaged: remove it"):
            resume()
    copy.unlink()
    (path.with_name(".half.npz")).write_bytes(b"half")
    remove_unfinished(path.parent)
    assert list(path.parent.iterdir()) == [path]


def test_a_batch_of_which_one_image_is_done(files, tmp_path):
    """The whole image is predicted again, and not counted twice."""
    from mmosr.config.loading import load_config

    config = load_config(files.config, {"test_dataloader.batch_size": 2})

    def test(out, **options):
        return run(files, out, [files.objects], config=config, **options)

    (expected,) = test(tmp_path / "whole")
    out = tmp_path / "out"
    # The map of the fourth image cannot be written.
    blocked = out / "objects/maps/000003_demo_000003_leftImg8bit_label.npy"
    blocked.mkdir(parents=True)
    with pytest.raises(OSError, match="000003"):
        test(out)
    assert images_done(out / "objects/parts") == {0, 1, 2}
    blocked.rmdir()
    (result,) = test(out, resume=True)
    assert images_done(out / "objects/parts") == {0, 1, 2, 3, 4}
    assert result.histograms == expected.histograms
    np.testing.assert_equal(result.figures, expected.figures)
