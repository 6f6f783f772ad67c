"""The benchmark as a user starts it: killed, resumed, on two processes, and with wrong input."""

import re
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

from mmosr.benchmark.pixels.state import Part, images_done, part_files
from tests.benchmark.pixels.support import (
    ROOT,
    SCORES,
    images_of,
    report,
    tiny_benchmark,
)
from tests.processes import Script

NAMES = ("test", "objects", "others")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with tiny_benchmark(tmp_path_factory.mktemp("tool")) as files:
        yield files


def options(files, out, *more, datasets=None):
    datasets = datasets or ["test", files.objects, files.others]
    return ["--datasets", *datasets, "--scores", *SCORES, "--out-dir", out, *more]


def start(files, out, *more, slow=0.0, datasets=None, **environment):
    log = out.with_name(f"{out.name}_{environment.get('RANK', 0)}.log")
    log.unlink(missing_ok=True)
    arguments = options(files, out, *more, datasets=datasets)
    environment = {**files.environment(), "SLOW_STEP": slow, **environment}
    common = dict(environment=environment, log=log)
    return Script("benchmark", files.config, files.checkpoint, *arguments, **common)


def finish(tool):
    """Exit status and output."""
    try:
        return tool.wait(120), tool.printed()[0]
    finally:
        tool.kill()


def run(files, out, *more, **settings):
    """Exit status and output."""
    return finish(start(files, out, *more, **settings))


def start_two(files, out, *more, **settings):
    """Two ranks, without a launcher that would stop one when the other fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = dict(WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    more = (*more, "--launcher", "pytorch")
    return [
        start(files, out, *more, RANK=rank, LOCAL_RANK=rank, **group, **settings)
        for rank in range(2)
    ]


def errors_of(output):
    assert "Traceback" not in output, output
    return [line for line in output.splitlines() if line.startswith("error:")]


def wait_for_images(tool, out, name, count):
    """Wait until this many images are in the part files."""
    end = time.monotonic() + 120
    while len(images_done(out / name / "parts")) < count:
        assert tool.poll() is None, tool.printed()[0]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    """Folder and output of an uninterrupted run of one process."""
    out = tmp_path_factory.mktemp("whole")
    status, output = run(files, out)
    assert status == 0, output
    return out, output


def total(out, name):
    return Part.total([Part.load(path) for path in part_files(out / name / "parts")])


def assert_same(out, expected):
    """Bitwise the same counts, and the same figures in the report."""
    for name in NAMES:
        one, other = total(out, name), total(expected, name)
        assert one.counts.histograms == other.counts.histograms
        assert one.counts.ignored == other.counts.ignored
        np.testing.assert_equal(
            [(row.index, row.known, row.unknown, row.figures) for row in one.rows],
            [(row.index, row.known, row.unknown, row.figures) for row in other.rows],
        )
        if one.counts.areas is not None:
            assert one.counts.areas.equal(other.counts.areas)
    np.testing.assert_equal(report(out), report(expected))
    for path in sorted(expected.rglob("*.csv")):
        assert (out / path.relative_to(expected)).read_text() == path.read_text()


def test_what_is_printed_and_written(files, whole):
    out, printed = whole
    for line in (f"{name}: {n}/{n} images" for name, n in zip(NAMES, (5, 5, 3), strict=True)):
        assert line in printed
    assert "images/s" in printed and "objects, components: 5/5 images" in printed
    listed = [line.strip() for line in printed.split("written:\n")[1].splitlines()]
    assert str(out / "benchmark.json") in listed and str(out / "benchmark.md") in listed
    for data in report(out)["datasets"]:
        for score in SCORES:
            row = [data["scores"][score]["figures"][name] for name in ("AUROC", "AP", "AUPR-In")]
            cells = r"\s+".join(re.escape(f"{value:.2f}") for value in row)
            assert re.search(rf"{score}\s+{cells}\s", printed), (score, row)
    assert not list(out.rglob("maps"))


def test_two_processes_are_one_process(files, whole, tmp_path):
    out = tmp_path / "two"
    command = ["bash", ROOT / "tools/dist_benchmark.sh", files.config, files.checkpoint, 2]
    done = subprocess.run(
        [str(part) for part in (*command, *options(files, out))],
        env=files.environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert_same(out, whole[0])
    for name, images in zip(NAMES, ([0, 2, 4], [0, 2, 4], [0, 2]), strict=True):
        parts = [np.load(path)["images"].tolist() for path in part_files(out / name / "parts")]
        assert len(parts) == 2 and images in parts
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    assert done.stdout.count("written:") == 1


def test_killed_and_resumed(files, whole, tmp_path):
    """Killed twice without warning, then finished by two processes."""
    out = tmp_path / "killed"
    for images, more in ((2, ()), (4, ["--resume"])):
        tool = start(files, out, *more, slow=0.3)
        wait_for_images(tool, out, "test", images)
        tool.kill()
        assert finish(tool)[0] == -signal.SIGKILL
        assert images <= len(images_done(out / "test" / "parts")) < 5
    (out / "test" / "parts" / ".half.npz").write_bytes(b"half")  # killed while it wrote
    status, output = run(files, out)
    (line,) = errors_of(output)
    assert status == 1 and f"'{out}' already holds a run: add --resume" in line
    ended = [finish(tool) for tool in start_two(files, out, "--resume")]
    assert [status for status, _ in ended] == [0, 0], ended
    assert_same(out, whole[0])
    assert len(part_files(out / "test" / "parts")) == 3  # one image was left
    assert not list(out.rglob(".*"))
    status, output = run(files, out, "--resume")
    assert status == 0, output
    assert_same(out, whole[0])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_and_resumed(files, whole, tmp_path, number, status):
    """What is done is kept when the run is told to stop, even if not yet due to be written."""
    out = tmp_path / "stopped"
    tool = start(files, out, slow=0.3)
    wait_for_images(tool, out, "test", 1)
    time.sleep(0.4)
    tool.send_signal(number)
    found, output = finish(tool)
    assert found == status, output
    assert not errors_of(output)
    assert len(images_done(out / "test" / "parts")) >= 1
    assert run(files, out, "--resume")[0] == 0
    assert_same(out, whole[0])


def test_a_bad_image_ends_all_processes(files, tmp_path):
    """Though the first process has much left to do, and no launcher stops it."""
    root = tmp_path / "scenes"
    shutil.copytree(files.scenes, root)
    image = root / images_of(files)[1].relative_to(files.scenes)
    image.write_bytes(image.read_bytes()[:-200])
    definition = tmp_path / "damaged.py"
    definition.write_text(files.objects.read_text().replace(str(files.scenes), str(root)))
    out = tmp_path / "out"
    begin = time.monotonic()
    ended = [finish(tool) for tool in start_two(files, out, slow=5, datasets=[definition])]
    assert [status for status, _ in ended] == [1, 1]
    assert time.monotonic() - begin < 14  # three images of 5 s each
    for rank, (_, output) in enumerate(ended):
        (line,) = errors_of(output)
        assert str(image) in line and ("process 1 failed" in line) == (rank == 0)
    assert not list(out.glob(".*"))
    assert images_done(out / "damaged" / "parts") == {0}
    shutil.copy(images_of(files)[1], image)
    status, output = run(files, out, "--resume", datasets=[definition])
    assert status == 0, output
    assert images_done(out / "damaged" / "parts") == {0, 1, 2, 3, 4}


def test_wrong_input_is_one_line(files, call, tmp_path):
    def refuse(*more, parts, datasets=None):
        arguments = options(files, tmp_path / "out", *more, datasets=datasets)
        status, err = call("benchmark", files.config, files.checkpoint, *arguments)
        (line,) = errors_of(err)
        assert status == 1
        for part in parts:
            assert str(part) in line

    refuse(datasets=["road_anomly"], parts=["road_anomly", "road_anomaly", "demo"])
    missing = tmp_path / "missing.py"
    missing.write_text(files.objects.read_text().replace(str(files.scenes), "/nowhere"))
    refuse(datasets=["test", missing], parts=["'missing'", "/nowhere", "docs/data.md"])
    refuse("--scores", "energi", parts=["energi", "energy"])
    step = "test_dataloader.dataset.pipeline.4.type=mmseg.RandomFlip"
    refuse("--cfg-options", step, parts=["PackSegInputs"])
    assert not (tmp_path / "out").exists()
