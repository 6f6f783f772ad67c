"""The score histogram: resolution, and sums in any order."""

import pickle

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

from .histogram_cases import SMALLEST, any_scores, assert_identical, kinds, seeds

FLOAT32_MAX = float(np.finfo(np.float32).max)


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


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 3000), kinds, st.lists(st.floats(0, 100), max_size=3))
def test_percentiles(seed, size, kind, percents):
    scores, unknown = any_scores(seed, size, kind)
    exact = ScoreHistogram.from_scores(scores, unknown, None)
    expected = np.percentile(scores, [0, *percents, 100], method="inverted_cdf")
    assert exact.percentiles([0, *percents, 100]) == tuple(expected)
    coarse = ScoreHistogram.from_scores(scores, unknown, SMALLEST)
    cells = coarse.thresholds[np.searchsorted(coarse.thresholds, expected, side="right") - 1]
    assert coarse.percentiles([0, *percents, 100]) == tuple(cells)


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
