"""Fixtures shared by all tests."""

import logging
import os
import socket
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope

# Contracts hold assertions but are no test files; without this their failures show no values.
pytest.register_assert_rewrite(
    "tests.segmentation.contract",
    "tests.datasets.contract",
    "tests.datasets.preparation.downloads",
    "tests.datasets.anomaly_contract",
    "tests.methods.contract",
    "tests.methods.loss_contract",
    "tests.scores.contract",
    "tests.scores.fitted_contract",
)


@pytest.fixture(autouse=True)
def quiet_logging(monkeypatch):
    """mmengine keeps its loggers, whose stream pytest has closed when the next test logs."""
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.fixture
def mmseg_scope():
    """Names in configs are looked up in mmseg, as the configs' ``default_scope`` says."""
    init_default_scope("mmseg")


@pytest.fixture(scope="session")
def demo_scenes(tmp_path_factory):
    """Folder of a small set of embedded scenes: 3 train, 2 val, 2 test, 32 x 64."""
    from mmosr.datasets import write_demo_scenes

    root = tmp_path_factory.mktemp("data") / "demo_scenes"
    return write_demo_scenes(root, train=3, val=2, test=2, size=(32, 64))


def work(rank: int, port: int, tasks, results) -> None:
    """Run tasks in one process of a gloo group until there is none."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    for function, arguments in iter(tasks.get, None):
        results.put(function(rank, *arguments))
    results.close()
    results.join_thread()
    dist.barrier()
    os._exit(0)


@pytest.fixture(scope="session")
def on_two_ranks():
    """Call ``function(rank, *arguments)`` on both ranks; gives the two results in rank order."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    tasks, results = ([context.Queue() for _ in range(2)] for _ in range(2))
    workers = [
        context.Process(target=work, args=(rank, port, tasks[rank], results[rank]), daemon=True)
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()

    def run(function: Callable, *arguments):
        for queue in tasks:
            queue.put((function, arguments))
        return [queue.get(timeout=240) for queue in results]

    yield run
    for queue in tasks:
        queue.put(None)
    for worker in workers:
        worker.join(30)
        worker.kill()
