"""Tests of the assignment memory against a list that forgets."""

import contextlib
from collections import deque

import pytest
import torch

from mmosr.methods import AssignmentMemory

CLASSES, COMPONENTS = 3, 4


class ReferenceMemory:
    """The same, by queues."""

    def __init__(self, size):
        self.queues = [deque(maxlen=size) for _ in range(CLASSES)]

    def update(self, labels, components, per_class):
        taken = [0] * CLASSES
        for label, component in zip(labels.tolist(), components.tolist(), strict=True):
            if taken[label] < per_class:
                self.queues[label].append(component)
                taken[label] += 1

    def counts(self):
        return [[list(q).count(k) for k in range(COMPONENTS)] for q in self.queues]


def contents(memory):
    """The components of each class, the oldest first."""
    rows = []
    for slots, cursor in zip(memory.slots.tolist(), memory.cursor.tolist(), strict=True):
        rows.append([k for k in slots[cursor:] + slots[:cursor] if k >= 0])
    return rows


def batch(generator, most=12):
    number = int(torch.randint(most + 1, (), generator=generator))
    labels = torch.randint(CLASSES, (number,), generator=generator)
    return labels, torch.randint(COMPONENTS, (number,), generator=generator)


@pytest.mark.parametrize("size", [1, 5, 7, 30])
@pytest.mark.parametrize("per_class", [1, 3, 50])
def test_many_updates(size, per_class):
    generator = torch.Generator().manual_seed(size)
    memory = AssignmentMemory(CLASSES, COMPONENTS, size)
    expected = ReferenceMemory(size)
    for _ in range(60):
        labels, components = batch(generator)
        memory.update(labels, components, per_class)
        expected.update(labels, components, per_class)
        assert memory.counts.tolist() == expected.counts()
        assert contents(memory) == [list(queue) for queue in expected.queues]
    assert (memory.counts.sum(1) == size).any() or size == 30


def test_more_samples_than_slots_in_one_update():
    memory = AssignmentMemory(2, 2, size=4)
    components = torch.tensor([0, 1, 0, 1, 1])
    memory.update(torch.zeros(5, dtype=torch.long), components, per_class=16)
    assert contents(memory) == [[1, 0, 1, 1], []]
    assert memory.counts.tolist() == [[1, 3], [0, 0]]


def test_eviction_order_by_hand():
    memory = AssignmentMemory(1, 3, size=3)
    for component, counts in [(0, [1, 0, 0]), (1, [1, 1, 0]), (1, [1, 2, 0]), (2, [0, 2, 1])]:
        memory.update(torch.tensor([0]), torch.tensor([component]), 8)
        assert memory.counts.tolist() == [counts]
    assert contents(memory) == [[1, 1, 2]]


def test_one_class_with_one_sample_leaves_the_others_alone():
    memory = AssignmentMemory(3, 2, size=4)
    memory.update(torch.tensor([1]), torch.tensor([1]), 8)
    assert memory.counts.tolist() == [[0, 0], [0, 1], [0, 0]]
    assert memory.slots[1].tolist() == [1, -1, -1, -1]


def test_empty_update():
    memory = AssignmentMemory(3, 2, size=4)
    nothing = torch.zeros(0, dtype=torch.long)
    memory.update(nothing, nothing, 8)
    assert not memory.counts.any() and not memory.cursor.any() and (memory.slots == -1).all()


def test_weights_by_hand():
    memory = AssignmentMemory(2, 3, size=10)
    torch.testing.assert_close(memory.log_weights.exp(), torch.full((2, 3), 1 / 3))
    memory.update(torch.zeros(5, dtype=torch.long), torch.tensor([0, 0, 0, 0, 2]), 8)
    # Add one: (4+1, 0+1, 1+1) / 8.
    expected = torch.tensor([[5 / 8, 1 / 8, 2 / 8], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(memory.log_weights.exp(), expected)
    halved = AssignmentMemory(2, 3, size=10, smoothing=0.5)
    halved.load_state_dict(memory.state_dict())
    torch.testing.assert_close(
        halved.log_weights[0].exp(), torch.tensor([4.5 / 6.5, 0.5 / 6.5, 1.5 / 6.5])
    )


def test_class_frequencies_by_hand():
    memory = AssignmentMemory(3, 2)
    torch.testing.assert_close(memory.log_class_frequencies.exp(), torch.full((3,), 1 / 3))
    memory.count_classes(torch.tensor([4, 0, 1]))
    memory.count_classes(torch.tensor([2, 0, 0]))
    torch.testing.assert_close(
        memory.log_class_frequencies.exp(), torch.tensor([7 / 10, 1 / 10, 2 / 10])
    )


def packed(memory):
    """Its state as packed weights have it."""
    return {k: v for k, v in memory.state_dict().items() if k not in ("slots", "cursor")}


def filled_memory(number, **sizes):
    memory = AssignmentMemory(**{"num_classes": 2, "num_components": 3, "size": 8, **sizes})
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (number,), generator=generator).sort().values
    memory.update(labels, torch.randint(3, (number,), generator=generator), per_class=30)
    return memory


def remembered(memory):
    components = memory.counts.shape[1]
    rows = [torch.bincount(row[row >= 0], minlength=components) for row in memory.slots.long()]
    return torch.stack(rows)


class TestRebuilt:
    """Packed weights leave out the samples: they are recreated from the counts."""

    @pytest.mark.parametrize("number", [0, 5, 30])
    def test_the_counts_stay_and_training_goes_on(self, number):
        memory, other = filled_memory(number), AssignmentMemory(2, 3, size=8)
        other.load_state_dict(packed(memory), strict=True)
        assert torch.equal(other.counts, memory.counts)
        assert torch.equal(remembered(other), memory.counts)
        new = torch.zeros(20, dtype=torch.long)
        other.update(new, new + 2, per_class=20)  # all of the first class are forgotten
        assert other.counts[0].tolist() == [0, 0, 8]
        assert torch.equal(other.counts[1], memory.counts[1])

    def test_new_samples_push_out_all_components_alike(self):
        memory = AssignmentMemory(1, 3, size=300)
        memory.load_state_dict({**packed(memory), "counts": torch.tensor([[150, 100, 50]])})
        new = torch.zeros(60, dtype=torch.long)
        memory.update(new, new, per_class=60)
        assert memory.counts[0].tolist() == [150 - 30 + 60, 100 - 20, 50 - 10]

    def test_fewer_slots(self):
        memory, other = filled_memory(30, size=16), AssignmentMemory(2, 3, size=4)
        other.load_state_dict(packed(memory), strict=True)
        assert torch.equal(remembered(other), other.counts)
        assert other.counts.sum(1).tolist() == [4, 4]

    @pytest.mark.parametrize("sizes", [(2, 5, 8), (4, 3, 8), (2, 2, 8)])
    @pytest.mark.parametrize("with_slots", [False, True])
    def test_other_classes_or_components_start_empty(self, sizes, with_slots):
        """A host loads what fits: samples without their counts would make these negative."""
        memory = filled_memory(30)
        state = memory.state_dict() if with_slots else packed(memory)
        other = AssignmentMemory(*sizes)
        own = other.state_dict()
        with pytest.raises(RuntimeError, match="size mismatch"):
            AssignmentMemory(*sizes).load_state_dict(state, strict=True)
        with contextlib.suppress(RuntimeError):
            other.load_state_dict(state, strict=False)
        assert all(
            torch.equal(value, own[key])
            for key, value in other.state_dict().items()
            if key != "class_counts"
        )
        new = torch.zeros(20, dtype=torch.long)
        other.update(new, new, per_class=20)
        assert (other.counts >= 0).all() and torch.equal(remembered(other), other.counts)


def test_arguments():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        AssignmentMemory(2, 2, size=0)
    for smoothing in (0.0, -1.0):
        with pytest.raises(ValueError, match="smoothing must be above 0"):
            AssignmentMemory(2, 2, smoothing=smoothing)


def rank_batches(rank, steps=12):
    generator = torch.Generator().manual_seed(100 + rank)
    return [batch(generator) for _ in range(steps)]


# Two ranks bring up to 8 samples per class, more than fit: the overflow must be the same too.
SIZE, PER_CLASS = 5, 4


def run_rank(rank, folder):
    memory = AssignmentMemory(CLASSES, COMPONENTS, SIZE)
    for labels, components in rank_batches(rank):
        memory.count_classes(torch.bincount(labels, minlength=CLASSES))
        memory.update(labels, components, PER_CLASS)
    torch.save(memory.state_dict(), f"{folder}/rank{rank}.pth")


def test_two_processes_equal_one(tmp_path, on_two_ranks):
    on_two_ranks(run_rank, str(tmp_path))
    states = [torch.load(tmp_path / f"rank{rank}.pth", weights_only=True) for rank in (0, 1)]
    single = AssignmentMemory(CLASSES, COMPONENTS, SIZE)
    for parts in zip(rank_batches(0), rank_batches(1), strict=True):
        for labels, components in parts:
            single.count_classes(torch.bincount(labels, minlength=CLASSES))
            single.update(labels, components, PER_CLASS)
    assert single.counts.sum() == CLASSES * SIZE
    for name, value in single.state_dict().items():
        assert torch.equal(states[0][name], states[1][name]), name
        assert torch.equal(states[0][name], value), name
