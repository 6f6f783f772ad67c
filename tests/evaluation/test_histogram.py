"""The score histogram: resolution, sums in any order, constant memory, types of input."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmosr.evaluation import histogram as module
from mmosr.evaluation.histogram import (
    MAX_CELLS,
    ScoreHistogram,
    count_numpy,
    count_torch,
    merge_all,
)
from mmosr.utils import InputError

SMALLEST = 512  # max_cells
FLOAT32_MAX = float(np.finfo(np.float32).max)


def assert_identical(first, second):
    assert first == second
    for name in ("keys", "known", "unknown"):
        one, two = getattr(first, name), getattr(second, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


def brute_force(scores, unknown, max_cells):
    """Keys and counts from the definition: cut every bit pattern, one bit less at a time."""
    patterns = (np.asarray(scores, np.float32) + np.float32(0)).view(np.uint32).tolist()
    keys = [p ^ 0xFFFFFFFF if p >> 31 else p | 0x80000000 for p in patterns]
    bits = 32
    while len(set(keys)) > max_cells:
        keys, bits = [key >> 1 for key in keys], bits - 1
    counts = {key: [0, 0] for key in sorted(set(keys))}
    for key, truth in zip(keys, unknown, strict=True):
        counts[key][int(truth)] += 1
    return bits, counts


def any_scores(seed, size, kind):
    """Random scores and truth of very different spread."""
    rng = np.random.default_rng(seed)
    if kind == "patterns":  # all of float32
        scores = rng.integers(0, 2**32, size, np.uint32).view(np.float32)
        scores = np.where(np.isfinite(scores), scores, np.float32(0))
    elif kind == "normal":
        scores = rng.normal(size=size)
    elif kind == "offset":
        scores = rng.normal(1000, 0.05, size)
    else:
        scores = rng.integers(-3, 4, size)
    return scores.astype(np.float32), rng.random(size) < rng.choice([0, 0.05, 0.5, 1])


kinds = st.sampled_from(["patterns", "normal", "offset", "tied"])
seeds = st.integers(0, 2**32 - 1)


# Resolution


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(0, 4000), kinds, st.sampled_from([512, 700, 1500]))
def test_equals_the_definition(seed, size, kind, max_cells):
    scores, unknown = any_scores(seed, size, kind)
    histogram = ScoreHistogram.from_scores(scores, unknown, max_cells)
    bits, counts = brute_force(scores, unknown, max_cells)
    assert histogram.bits == bits
    assert histogram.keys.tolist() == list(counts)
    assert [*map(list, zip(histogram.known, histogram.unknown, strict=True))] == [*counts.values()]


@pytest.mark.parametrize(("distinct", "bits", "cells"), [(512, 32, 512), (513, 31, 257)])
def test_as_fine_as_fits(distinct, bits, cells):
    # Neighbouring float32 values: cutting one bit makes pairs.
    scores = np.arange(distinct, dtype=np.uint32) + np.float32(1000).view(np.uint32)
    histogram = ScoreHistogram.from_scores(scores.view(np.float32), np.zeros(distinct), SMALLEST)
    assert (histogram.bits, histogram.keys.size) == (bits, cells)


def test_all_of_float32_fits_into_the_smallest_histogram():
    exponents = np.arange(-126, 128)
    scores = np.ldexp(np.float32(1), exponents).astype(np.float32)
    finer = np.concatenate([scores, scores * np.float32(1.75)])
    finer = np.concatenate([finer, -finer, np.array([0, 1e-45], np.float32)])
    histogram = ScoreHistogram.from_scores(finer, np.zeros(finer.size), SMALLEST)
    assert histogram.bits == 9
    assert histogram.keys.size == 2 * 254 + 1


def test_small_spread_on_a_large_offset_stays_exact():
    rng = np.random.default_rng(1)
    scores = (0.999999 + 1e-6 * rng.normal(size=200_000)).astype(np.float32)
    histogram = ScoreHistogram.from_scores(scores, rng.random(scores.size) < 0.1)
    assert histogram.bits == 32
    np.testing.assert_array_equal(histogram.thresholds, np.unique(scores))


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 3000), kinds)
def test_thresholds_select_the_keys_above(seed, size, kind):
    scores, unknown = any_scores(seed, size, kind)
    histogram = ScoreHistogram.from_scores(scores, unknown, SMALLEST)
    assert (np.diff(histogram.keys.astype(np.int64)) > 0).all()
    selected = [(scores >= threshold).sum() for threshold in histogram.thresholds]
    counts = histogram.known + histogram.unknown
    np.testing.assert_array_equal(selected, np.cumsum(counts[::-1])[::-1])


def test_extreme_values_keep_their_order():
    scores = np.array([-FLOAT32_MAX, -1e30, -1.0, -1e-45, 0.0, 1e-45, 1.0, 1e30, FLOAT32_MAX])
    histogram = ScoreHistogram.from_scores(scores, np.arange(9) >= 4)
    np.testing.assert_array_equal(histogram.thresholds, scores.astype(np.float32))
    np.testing.assert_array_equal(histogram.unknown, np.arange(9) >= 4)


@pytest.mark.parametrize("count", [count_numpy, count_torch])
def test_minus_zero_is_zero(count):
    scores, unknown = np.array([0.0, -0.0, -0.0], np.float32), np.array([True, False, True])
    if count is count_torch:
        scores, unknown = torch.from_numpy(scores), torch.from_numpy(unknown)
    histogram = count(scores, unknown, SMALLEST)
    assert (histogram.keys.tolist(), histogram.bits) == ([0x80000000], 32)
    assert (histogram.known[0], histogram.unknown[0]) == (1, 2)


# Sums


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(seeds, st.integers(0, 1500), kinds), min_size=1, max_size=5),
    st.sampled_from([512, 1000, None]),
    st.randoms(use_true_random=False),
)
def test_merge_is_independent_of_order_and_grouping(parts, max_cells, random):
    images = [any_scores(*part) for part in parts]
    scores, unknown = (np.concatenate(arrays) for arrays in zip(*images, strict=True))
    pooled = ScoreHistogram.from_scores(scores, unknown, max_cells)
    histograms = [ScoreHistogram.from_scores(*image, max_cells) for image in images]
    assert_identical(merge_all(histograms, max_cells), pooled)
    random.shuffle(histograms)
    assert_identical(merge_all(iter(histograms), max_cells), pooled)
    while len(histograms) > 1:  # a random tree
        first = histograms.pop(random.randrange(len(histograms)))
        second = histograms.pop(random.randrange(len(histograms)))
        histograms.append(first.merge(second, max_cells))
    assert_identical(histograms[0], pooled)
    assert (pooled.num_known, pooled.num_unknown) == ((~unknown).sum(), unknown.sum())


@settings(max_examples=30, deadline=None)
@given(seeds, kinds, st.sampled_from([512, 1000, None]))
def test_samples_may_come_in_any_order(seed, kind, max_cells):
    scores, unknown = any_scores(seed, 3000, kind)
    order = np.random.default_rng(seed).permutation(3000)
    assert_identical(
        ScoreHistogram.from_scores(scores, unknown, max_cells),
        ScoreHistogram.from_scores(
            scores[order].reshape(50, 60), unknown[order].reshape(50, 60), max_cells
        ),
    )


@pytest.mark.parametrize("max_cells", [512, MAX_CELLS, None])
def test_chunks_do_not_matter(monkeypatch, max_cells):
    scores, unknown = any_scores(3, 10_000, "normal")
    whole = ScoreHistogram.from_scores(scores, unknown, max_cells)
    for chunk in (1, 999, 5000):
        monkeypatch.setattr(module, "CHUNK", chunk)
        size = 300 if chunk == 1 else scores.size
        parts = ScoreHistogram.from_scores(scores[:size], unknown[:size], max_cells)
        rest = ScoreHistogram.from_scores(scores[size:], unknown[size:], max_cells)
        assert_identical(parts.merge(rest, max_cells), whole)


def test_the_sum_is_cut_although_the_parts_fit():
    values = np.arange(1024, dtype=np.uint32) + np.float32(1000).view(np.uint32)
    even, odd = values[::2].view(np.float32), values[1::2].view(np.float32)
    parts = [ScoreHistogram.from_scores(half, np.ones(512), SMALLEST) for half in (even, odd)]
    assert [part.bits for part in parts] == [32, 32]
    merged = parts[0].merge(parts[1], SMALLEST)
    assert (merged.bits, merged.keys.size) == (31, 512)
    assert (merged.unknown == 2).all()


def test_nothing_adds_nothing():
    empty = merge_all([])
    assert (empty.keys.size, empty.num_known, empty.num_unknown, empty.bits) == (0, 0, 0, 32)
    assert_identical(ScoreHistogram.from_scores([], []), empty)
    some = ScoreHistogram.from_scores(*any_scores(0, 2000, "normal"), SMALLEST)
    assert some.bits < 32
    assert_identical(empty.merge(some, SMALLEST), some)


def test_counts_do_not_overflow():
    counts = np.array([3 * 10**11, 10**11])
    histogram = ScoreHistogram(np.array([1, 2], np.uint32), counts, counts[::-1])
    merged = histogram.merge(histogram)
    assert merged.known.tolist() == [6 * 10**11, 2 * 10**11]
    assert merged.num_unknown == 8 * 10**11


def test_different_histograms_are_not_equal():
    one = ScoreHistogram.from_scores([1.0, 2.0], [0, 1])
    assert one != ScoreHistogram.from_scores([1.0, 2.0], [1, 0])
    assert one != ScoreHistogram.from_scores([1.0, 3.0], [0, 1])
    assert one != ScoreHistogram(one.keys, one.known, one.unknown, 31)
    assert one != "one"


def test_pickle_keeps_everything():
    histogram = ScoreHistogram.from_scores(*any_scores(5, 3000, "normal"), SMALLEST)
    assert_identical(pickle.loads(pickle.dumps(histogram)), histogram)


# Tensors and other types


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(0, 3000), kinds, st.sampled_from([512, 1000, None]))
def test_torch_path_gives_the_same_arrays(seed, size, kind, max_cells):
    scores, unknown = any_scores(seed, size, kind)
    assert_identical(
        count_torch(torch.from_numpy(scores), torch.from_numpy(unknown), max_cells),
        count_numpy(scores, unknown, max_cells),
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["patterns", "normal", "offset", "tied"])
@pytest.mark.parametrize("max_cells", [512, MAX_CELLS, None])
def test_gpu_gives_the_same_arrays(monkeypatch, kind, max_cells):
    monkeypatch.setattr(module, "CHUNK", 30_000)
    scores, unknown = any_scores(1, 100_000, kind)
    expected = ScoreHistogram.from_scores(scores, unknown, max_cells)
    on_gpu = torch.from_numpy(scores).cuda()
    for mask in (unknown, torch.from_numpy(unknown), torch.from_numpy(unknown).cuda()):
        assert_identical(ScoreHistogram.from_scores(on_gpu, mask, max_cells), expected)
    on_gpu[[3, 70_000]] = float("nan")
    with pytest.raises(InputError, match="2 of 100000 scores are NaN"):
        ScoreHistogram.from_scores(on_gpu, unknown)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_the_same_histogram(dtype):
    scores = torch.tensor([[0.5, -2.0], [8.0, 0.25]], dtype=dtype, requires_grad=True)
    unknown = torch.tensor([[True, False], [True, True]])
    expected = ScoreHistogram.from_scores([0.5, -2.0, 8.0, 0.25], [1, 0, 1, 1])
    assert_identical(ScoreHistogram.from_scores(scores, unknown), expected)
    assert_identical(ScoreHistogram.from_scores(scores, unknown.numpy().astype(int)), expected)
    assert_identical(
        ScoreHistogram.from_scores(scores.detach().double().numpy(), unknown), expected
    )


def test_non_contiguous_input():
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    unknown = scores > 6
    expected = ScoreHistogram.from_scores(scores.T[::2].copy(), unknown.T[::2].copy())
    assert_identical(ScoreHistogram.from_scores(scores.T[::2], unknown.T[::2]), expected)
    assert_identical(
        ScoreHistogram.from_scores(
            torch.from_numpy(scores).T[::2], torch.from_numpy(unknown).T[::2]
        ),
        expected,
    )


def test_input_is_left_alone():
    scores = np.array([3.0, -1.0, 2.0], np.float32)
    ScoreHistogram.from_scores(scores, [1, 0, 0])
    assert scores.tolist() == [3.0, -1.0, 2.0]


# Memory


def test_memory_of_one_large_call_is_constant():
    """16 million scores in one call take no more than the arrays of one chunk and two sums."""
    code = """if True:
        import re
        import numpy as np
        from mmosr.evaluation.histogram import ScoreHistogram
        def memory(field):
            status = open("/proc/self/status").read()
            return int(re.search(field + r":\\s+(\\d+)", status)[1]) / 1024
        rng = np.random.default_rng(0)
        scores, unknown = np.empty(2**24, np.float32), np.zeros(2**24, np.uint8)
        for chunk in np.split(scores, 64):
            rng.standard_normal(dtype=np.float32, out=chunk)
        unknown[::20] = 1
        base = memory("VmRSS")
        histogram = ScoreHistogram.from_scores(scores, unknown)
        print(histogram.num_unknown, memory("VmHWM") - base)
    """
    if not Path("/proc/self/status").is_file():
        pytest.skip("needs /proc")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unknown, megabytes = run.stdout.split()
    assert int(unknown) == -(-(2**24) // 20)
    assert float(megabytes) < 64


# Errors


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e39])
def test_non_finite_scores_are_refused(value):
    message = "1 of 3 scores are NaN, infinite or beyond float32"
    scores = np.array([0.0, value, 1.0])
    for given_scores in (scores, scores.tolist(), torch.from_numpy(scores)):
        with pytest.raises(InputError, match=message):
            ScoreHistogram.from_scores(given_scores, [0, 1, 0])


def test_float16_overflow_is_refused():
    logits = torch.tensor([70000.0, 1.0, -70000.0]).half()
    with pytest.raises(InputError, match="2 of 3 scores are NaN, infinite"):
        ScoreHistogram.from_scores(logits, [1, 0, 0])


def test_non_finite_scores_of_all_chunks_are_counted(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 10)
    scores = np.zeros(35, np.float32)
    scores[[0, 9, 10, 34]] = np.nan
    with pytest.raises(InputError, match="4 of 35 scores"):
        ScoreHistogram.from_scores(scores, np.zeros(35))


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match=re.escape("shape (2,) and unknown mask of shape (1,)")):
        ScoreHistogram.from_scores([1.0, 2.0], [True])
    with pytest.raises(InputError, match=re.escape("shape (2, 1) and unknown mask of shape (2,)")):
        ScoreHistogram.from_scores(torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(InputError, match="max_cells=511 is too small: choose at least 512"):
        ScoreHistogram.from_scores([1.0], [True], max_cells=511)
    with pytest.raises(InputError, match="max_cells=0"):
        merge_all([], max_cells=0)


def test_module_needs_no_host():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['mmengine', 'mmseg', 'torch']))\n"
        "from mmosr.evaluation import ScoreHistogram, figures\n"
        "print(figures(ScoreHistogram.from_scores([1, 2, 3], [0, 1, 0]))['AUROC'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "0.5"
