"""What is reported about a process: how it failed, and its progress."""

from mmosr.benchmark.images.launch import failure_line, progress_line


def test_a_process_that_crashes(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("error: of an earlier attempt\nTraceback\n  File x\nValueError: so it is\n\n")
    start = log.read_text().index("Traceback")
    assert failure_line(log, start) == "ValueError: so it is"
    assert failure_line(log) == "of an earlier attempt"
    log.write_text("error: first\nerror: last\nsome warning\n")
    assert failure_line(log) == "last"
    log.write_text("")
    assert failure_line(log) == "no message"


def test_progress(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("a log\n")
    assert progress_line(log) is None
    begin = "11/21 05:48:56 - mmengine - INFO - "
    line = "Iter(train) [ 40/120]  lr: 4.5e-02  eta: 1 day, 0:01:16  time: 1.2  loss: 3.10  x: 2\n"
    log.write_text(begin + "Iter(train) [ 20/120]  loss: 4.0\n" + begin + line)
    assert progress_line(log) == "train [ 40/120], eta: 1 day, 0:01:16, loss: 3.10"
    log.write_text(begin + "Epoch(train) [2][5/9]  lr: 1  eta: 0:00:03  loss: 0.5\n")
    assert progress_line(log) == "train [2][5/9], eta: 0:00:03, loss: 0.5"
    with log.open("a") as file:
        file.write(begin + "Fitting classifier: 25 of 90 images, eta: 0:00:28\n")
    assert progress_line(log) == "Fitting classifier: 25 of 90 images, eta: 0:00:28"
    assert progress_line(log, log.stat().st_size) is None  # nothing in this attempt yet
