"""Two processes of one gloo group, which call functions of tests until one of them fails."""

import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

import torch
import torch.distributed as dist

from .processes import fork_context

RANKS = range(2)
TIMEOUT = 240  # seconds without an answer, if no rank fails
MOMENT = 0.5  # seconds in which the cause may follow: a rank that ends makes the other raise too


class RankError(RuntimeError):
    """What happened on the ranks that failed, with their tracebacks."""


def work(rank: int, port: int, pipe: Connection) -> None:
    """Run tasks in one process of the group until there is none."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        dist.init_process_group("gloo", rank=rank, world_size=len(RANKS))
        for function, arguments in iter(pipe.recv, None):
            pipe.send((function(rank, *arguments), None))
    except BaseException:  # pytest's own failures are not an Exception
        pipe.send((None, traceback.format_exc()))
        # Ending here would make the other rank fail too, and its error would hide this one.
        pipe.poll(None)
        os._exit(1)
    dist.barrier()
    os._exit(0)


class TwoRanks:
    """Calls functions on both ranks of a group that lives as long as no call fails."""

    def __init__(self) -> None:
        self._workers, self._pipes = [], []

    def __call__(self, function: Callable, *arguments) -> list:
        """Call ``function(rank, *arguments)`` on both ranks.

        Args:
            function: A module's function, so that the processes can import it.
            *arguments: Arguments, the same for both.

        Returns:
            The two results in rank order.

        Raises:
            RankError: A rank raised, ended or did not answer in time; raised at once, whatever the
                other does. The next call has new processes.
        """
        if not self._workers:
            self._start()
        try:
            for pipe in self._pipes:
                pipe.send((function, arguments))
            return self._answers()
        except BaseException:
            self._kill()
            raise

    def stop(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        for worker in self._workers:
            worker.join(30)
        self._kill()

    def _start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = fork_context()
        for rank in RANKS:
            ours, theirs = context.Pipe()
            worker = context.Process(target=work, args=(rank, port, theirs), daemon=True)
            worker.start()
            theirs.close()  # else the end of the process would not close the pipe
            self._workers.append(worker)
            self._pipes.append(ours)

    def _answers(self) -> list:
        answers, failures = {}, {}
        while len(answers) < len(RANKS):
            waiting = {pipe: rank for rank, pipe in enumerate(self._pipes) if rank not in answers}
            ready = wait(waiting, MOMENT if failures else TIMEOUT)
            if not ready:
                break
            for rank in sorted(waiting[pipe] for pipe in ready):
                answers[rank], failure = self._receive(rank)
                if failure is not None:
                    failures[rank] = failure
        if not failures:
            missing = [rank for rank in RANKS if rank not in answers]
            failures = dict.fromkeys(missing, f"gave no answer in {TIMEOUT} s")
        if failures:
            text = (f"rank {rank} {failure}" for rank, failure in sorted(failures.items()))
            raise RankError("\n".join(text))
        return [answers[rank] for rank in RANKS]

    def _receive(self, rank: int) -> tuple[object, str | None]:
        """The result, and what went wrong."""
        try:
            result, failure = self._pipes[rank].recv()
        except (EOFError, ConnectionResetError):  # the latter where it left a task unread
            worker = self._workers[rank]
            worker.join(30)
            return None, f"ended with exit code {worker.exitcode}"
        return result, None if failure is None else f"raised:\n{failure}"

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.join()
        for pipe in self._pipes:
            pipe.close()
        self._workers, self._pipes = [], []
