"""Trials in separate processes, so that a failure of one does not affect the others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LOG = "log.txt"
REPORT_SECONDS = 60
TAIL = 1 << 14  # bytes at the end of a log that are searched for a line about the progress
# Lines such as "Iter(train) [ 40/120]  lr: 0.05  eta: 0:01:16  loss: 3.1059",
# "Epoch(train) [1][4/9] ..." and "Fitting classifier: 2500 of 27000 images, eta: 0:04:28".
_PROGRESS = re.compile(
    r"(?:Iter|Epoch)\((?P<loop>\w+)\)\s+(?P<done>(?:\[\d+\])?\[ *\d+/\d+\])(?P<rest>.*)"
    r"|(?P<fitting>Fitting .+)"
)
_DETAILS = re.compile(r"\b(?:eta|loss): +[\d:.e+-]+(?: day\S*, [\d:]+)?")


def launch(folder: Path, say: Callable[[str], None]) -> str | None:
    """Run the trial in a folder to its end.

    Args:
        folder: Folder of the trial; the output of the process is appended to its ``log.txt``.
        say: Called with a line about the progress now and then.

    Returns:
        None, or one line saying why it failed.
    """
    log = folder / LOG
    before = log.stat().st_size if log.is_file() else 0
    command = [sys.executable, "-m", "mmosr.benchmark.images.trial", str(folder)]
    command += ["--parent", str(os.getpid())]
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            _wait(process, log, before, say)
        finally:
            process.kill()  # when stopped; a trial continues from its last checkpoint
            process.wait()
    if process.returncode == 0:
        return None
    if process.returncode < 0:
        return f"killed by {signal.Signals(-process.returncode).name}"
    return failure_line(log, before)


def failure_line(log: Path, start: int = 0) -> str:
    """The error in the output of a process: its ``error:`` line, else its last line."""
    lines = [line.strip() for line in _read(log, start).splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["no message"])[-1]


def progress_line(log: Path, start: int = 0) -> str | None:
    """The progress of a trial, by the last such line of its log; None without one."""
    found = list(_PROGRESS.finditer(_read(log, max(start, log.stat().st_size - TAIL))))
    if not found:
        return None
    if found[-1]["fitting"]:
        return found[-1]["fitting"]
    details = [" ".join(part.split()) for part in _DETAILS.findall(found[-1]["rest"])]
    return ", ".join([f"{found[-1]['loop']} {found[-1]['done']}", *details])


def _read(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _wait(process: subprocess.Popen, log: Path, start: int, say: Callable[[str], None]) -> None:
    last = None
    while True:
        try:
            process.wait(REPORT_SECONDS)
            return
        except subprocess.TimeoutExpired:
            line = progress_line(log, start)
            if line not in (None, last):
                say(line)
            last = line
