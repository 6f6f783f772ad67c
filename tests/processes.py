"""Scripts in their own processes, which need not import the hosts again."""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.fork_server"])


def fork_context() -> multiprocessing.context.BaseContext:
    """Context of processes that start from scratch, but for the hosts."""
    here = os.getcwd()
    os.chdir(ROOT)  # where the server finds what it imports
    try:
        forkserver.ensure_running()
    finally:
        os.chdir(here)
    return _CONTEXT


class Script:
    """A script in its own process, with the methods of ``subprocess.Popen``.

    Args:
        name: ``tools/NAME.py``, ``NAME.py`` of another folder, or a module for ``python -m``.
        *arguments: Arguments of the command line.
        environment: Variables in addition to those of this process.
        log: File to which both streams are added.
    """

    def __init__(
        self,
        name: str,
        *arguments: object,
        environment: Mapping[str, object] | None = None,
        log: str | os.PathLike | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._streams = [log or Path(self._folder.name, name) for name in ("out", "err")]
        for path in self._streams:
            Path(path).touch()
        variables = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        self._process = fork_context().Process(
            target=_run,
            args=(
                name,
                [str(argument) for argument in arguments],
                {key: str(value) for key, value in variables.items()},
                [os.path.abspath(path) for path in self._streams],
            ),
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative after a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired([self._process.name], timeout)
        return self.returncode

    def printed(self) -> tuple[str, str]:
        """What it has printed until now: standard output and standard error."""
        out, err = (Path(path).read_text() for path in self._streams)
        return out, err

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it has printed, once it has ended."""
        self.wait(timeout)
        return self.printed()

    def send_signal(self, number: int) -> None:
        """Send a signal to this process, not to its children."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def run_script(name: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    """Run a :class:`Script` to its end, as ``subprocess.run`` does."""
    script = Script(name, *arguments, **options)
    try:
        out, err = script.communicate(timeout=240)
    finally:
        script.kill()
    return subprocess.CompletedProcess([name, *arguments], script.returncode, out, err)


def _run(name: str, arguments: list[str], variables: dict[str, str], streams: list[str]) -> None:
    """Do what ``python tools/NAME.py`` or ``python -m NAME`` does."""
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(variables)
    torch.set_num_threads(1)  # what the server has read from its own environment
    for number, path in enumerate(streams, 1):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    # The process that started this one, for those that end with it; to the system the server did.
    parent = multiprocessing.parent_process().pid
    os.getppid = lambda: parent
    sys.path[:0] = filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))
    path = ROOT / "tools" / f"{name}.py"
    if path.is_file():
        sys.path.insert(0, str(path.parent))
        sys.argv = [str(path), *arguments]
        runpy.run_path(str(path), run_name="__main__")
    else:
        sys.argv = [name, *arguments]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
