"""A rank that fails ends its test at once, and the next test finds two ranks again."""

import os
import time

import pytest
import torch
import torch.distributed as dist

from . import two_ranks
from .two_ranks import RankError

AT_ONCE = 20  # seconds, on a busy machine; without an answer it would be minutes


def add(rank, number):
    total = torch.tensor([number * (rank + 1)])
    dist.all_reduce(total)
    return rank, total.item()


def fail(rank, culprit, way):
    """One rank fails in some way, while the other waits for it."""
    if rank == culprit:
        way()
    dist.barrier()


def raise_error():
    raise ValueError("the anchors have left")


def fail_test():
    pytest.fail("DID NOT RAISE")


def end():
    os._exit(7)


def give_what_no_pipe_takes(rank):
    return (lambda: rank) if rank else rank


def never_answer(rank):
    if rank:
        dist.barrier()


def fail_on_both(rank):
    raise KeyError(f"key {rank}")


@pytest.fixture(autouse=True)
def started(on_two_ranks):
    """Started, and usable again after each of the failures below."""
    assert on_two_ranks(add, 5) == [(0, 15), (1, 15)]


def failure(on_two_ranks, *task):
    start = time.monotonic()
    with pytest.raises(RankError) as error:
        on_two_ranks(*task)
    assert time.monotonic() - start < AT_ONCE
    return str(error.value)


@pytest.mark.parametrize("culprit", [0, 1])
def test_a_rank_raises_while_the_other_waits(culprit, on_two_ranks):
    text = failure(on_two_ranks, fail, culprit, raise_error)
    assert text.startswith(f"rank {culprit} raised:\nTraceback")
    assert "in raise_error" in text and text.endswith("ValueError: the anchors have left\n")
    assert f"rank {1 - culprit}" not in text
    assert on_two_ranks(add, 2) == [(0, 6), (1, 6)]


def test_a_failure_of_pytest(on_two_ranks):
    text = failure(on_two_ranks, fail, 1, fail_test)
    assert text.startswith("rank 1 raised:") and "DID NOT RAISE" in text


def test_a_rank_ends(on_two_ranks):
    assert "rank 1 ended with exit code 7" in failure(on_two_ranks, fail, 1, end)


def test_a_result_that_cannot_be_sent(on_two_ranks):
    text = failure(on_two_ranks, give_what_no_pipe_takes)
    assert text.startswith("rank 1 raised:") and "pickle" in text


def test_both_ranks_raise(on_two_ranks):
    text = failure(on_two_ranks, fail_on_both)
    assert "KeyError: 'key 0'" in text and "KeyError: 'key 1'" in text


def test_no_answer(on_two_ranks, monkeypatch):
    monkeypatch.setattr(two_ranks, "TIMEOUT", 2)
    assert failure(on_two_ranks, never_answer) == "rank 1 gave no answer in 2 s"
