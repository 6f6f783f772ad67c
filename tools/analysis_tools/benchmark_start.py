"""Measure how long each tool takes to show its help, and in how much memory.

Each is started several times, in turns with ``python -c 'import torch'``, the unit of the ratios.
Times are user CPU seconds, which other load on the machine hardly affects. Needs a Unix system.

    python tools/analysis_tools/benchmark_start.py --repeats 5
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from mmosr.utils import InputError, cli

TOOLS = Path(__file__).parents[1]
UNIT = "import torch"


def commands() -> dict[str, list[str]]:
    """The commands to measure, by name; the unit of the ratios comes first."""
    found = {
        UNIT: ["-c", UNIT],
        "from mmosr.scores import energy": ["-c", "from mmosr.scores import energy"],
        "mmosr --help": ["-m", "mmosr", "--help"],
    }
    for path in sorted(TOOLS.rglob("*.py")):
        if "__main__" in path.read_text():
            found[f"{path.relative_to(TOOLS)} --help"] = [str(path), "--help"]
    return found


def measure(arguments: list[str]) -> tuple[float, float]:
    """User CPU seconds and peak megabytes (2^20 bytes) of a Python process.

    Raises:
        InputError: The process failed.
    """
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"{' '.join(command)} failed with status {process.returncode}")
    return usage.ru_utime, usage.ru_maxrss / 1024


def median(found: list[tuple[float, float]]) -> tuple[float, float]:
    """Medians of the seconds and of the megabytes."""
    seconds, memory = zip(*found, strict=True)
    return statistics.median(seconds), statistics.median(memory)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.repeats < 1:
        raise InputError(f"--repeats {args.repeats}: give 1 or more")
    from rich.console import Console
    from rich.table import Table

    starts = commands()
    runs = {name: [] for name in starts}
    for _ in range(args.repeats):
        for name, arguments in starts.items():
            runs[name].append(measure(arguments))
    medians = {name: median(found) for name, found in runs.items()}
    table = Table(title=f"median of {args.repeats} starts; ratios to {UNIT}")
    for column in ("", "CPU seconds", "ratio", "peak MB", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    unit_seconds, unit_memory = medians[UNIT]
    for name, (seconds, memory) in medians.items():
        table.add_row(
            name,
            f"{seconds:.2f}",
            f"{seconds / unit_seconds:.2f}",
            f"{memory:.0f}",
            f"{memory / unit_memory:.2f}",
        )
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
